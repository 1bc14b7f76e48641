"""The share of lines that were executed, by crate, from the trace file of lcov on standard input:

    coverage_report.py LEAST [--missing] <lines.info

Lines of tests do not count: files of tests, and what follows `#[cfg(test)]` in others, where it comes last. Fails if a crate is below
LEAST per cent. --missing lists the lines that were not executed.
"""

import os
import sys

CRATES = ("btf", "dwarf", "encoder")
TEST_FILES = ("tests.rs", "testing.rs")


def files(lines):
    """Path and {line: how often} of each file."""
    path, counts = None, {}
    for line in lines:
        word, _, rest = line.rstrip("\n").partition(":")
        if word == "SF":
            path, counts = os.path.relpath(rest), {}
        elif word == "DA":
            number, count = rest.split(",")[:2]
            counts[int(number)] = int(count)
        elif word == "end_of_record":
            yield path, counts


def without_tests(path, counts):
    with open(path, encoding="utf-8") as source:
        for number, text in enumerate(source, 1):
            if text.startswith("#[cfg(test)]"):
                following = next(source, "")
                if following.startswith("mod ") and following.rstrip().endswith("{"):
                    return {n: c for n, c in counts.items() if n < number}
    return counts


def ranges(numbers):
    """3, 4, 5, 9 as 3-5 9."""
    out = []
    for number in numbers:
        if out and number == out[-1][1] + 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def main():
    least, missing = float(sys.argv[1]), "--missing" in sys.argv
    crates = {crate: [0, 0] for crate in CRATES}
    table = []
    for path, counts in files(sys.stdin):
        crate, _, inside = path.partition("/")
        if crate not in crates or not inside.startswith("src/") or os.path.basename(path) in TEST_FILES:
            continue
        counts = without_tests(path, counts)
        hit = sum(1 for count in counts.values() if count)
        crates[crate][0] += hit
        crates[crate][1] += len(counts)
        if counts:
            table.append((100 * hit / len(counts), len(counts) - hit, path, sorted(n for n in counts if not counts[n])))
    for share, left, path, lines in sorted(table):
        if left and (missing or share < least):
            print(f"{share:6.1f} %  {left:4} lines not executed  {path}" + (f": {ranges(lines)}" if missing else ""))
    failed = 0
    for crate, (hit, total) in crates.items():
        good = total > 0 and 100 * hit >= least * total
        failed += not good
        print(f"{'ok' if good else 'FAILED':7} {crate}: {100 * hit / max(total, 1):.1f} % of {total} lines")
    print(f"{len(crates) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
