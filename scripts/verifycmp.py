#!/usr/bin/env python3
"""Compares what `btfgen verify --json` says with what a kernel answered, file by file.

    verifycmp.py ANSWERS VERDICTS LIST
    verifycmp.py --dangerous VERDICTS    the modules that could stop a kernel: their distilled BTF refers to types that are not there
    verifycmp.py --spoil VERDICTS        the verdicts, two of them wrong

ANSWERS: lines of tests/boot/init.c: `blob` or `insmod`, file, error number, and what the kernel's log says. VERDICTS: JSON lines. LIST: file,
rule that was to be broken, what was done. Answers about other files are left aside.

A file agrees if both take it, or if both refuse it, with the same error number and the same text: the log's last line about a type and its
last line, letter by letter. Prints each difference, then a summary; the last line is `N agree, N differ`. Exit status 1 if any differs.
"""
import argparse
import collections
import json
import os
import sys

# What rules end in, EINVAL aside.
ERRNO = {"H3": 7, "H5": 524, "H6": 524, "M15": 524, "N2": 7, "R1": 7, "R2": 17, "C2": 40}
EINVAL = 22


def printable(text):
    """What of a text is printable ASCII: JSON has a replacement for what is no UTF-8."""
    return "".join(char for char in text if " " <= char <= "~" and char != "\\")


def plain(line):
    """The same of a line by init.c, which writes \\t, \\x00, and \\x5cx00 for what the kernel's own log has as \\x00."""
    data = bytearray()
    at = 0
    while at < len(line):
        if line.startswith("\\t", at):
            at += 2
        elif line.startswith("\\x5cx", at):
            at += 7
        elif line.startswith("\\x", at):
            at += 4
        else:
            data.append(ord(line[at]))
            at += 1
    return data.decode("ascii")


def expected(verdict):
    """Error number, and the log's lines."""
    if verdict["verdict"] == "accepted":
        return 0, []
    first = verdict["violations"][0]
    lines = [printable(line) for line in first.get("log", "").split("\n")]
    return ERRNO.get(first["rule"], EINVAL), lines


def spoil(path):
    """One verdict turned around, and one with another text."""
    todo = {"accepted", "refused"}
    for line in open(path):
        verdict = json.loads(line)
        kind = verdict["verdict"]
        if kind in todo:
            todo.remove(kind)
            if kind == "accepted":
                verdict["verdict"] = "refused"
                verdict["violations"] = [{"rule": "M23", "log": "[1] TYPEDEF a type_id=1 Invalid name"}]
            else:
                verdict["violations"][0]["log"] += "!"
        print(json.dumps(verdict))


def dangerous(path):
    for line in open(path):
        verdict = json.loads(line)
        if any(v["rule"] == "Z4" and "which is not there" in v["text"] for v in verdict.get("violations", [])):
            print(os.path.splitext(os.path.basename(verdict["file"]))[0])


def main():
    if sys.argv[1:2] == ["--spoil"]:
        return spoil(sys.argv[2])
    if sys.argv[1:2] == ["--dangerous"]:
        return dangerous(sys.argv[2])
    parser = argparse.ArgumentParser()
    parser.add_argument("answers")
    parser.add_argument("verdicts")
    parser.add_argument("list")
    args = parser.parse_args()
    verdicts = {}
    for line in open(args.verdicts):
        verdict = json.loads(line)
        verdicts[os.path.splitext(os.path.basename(verdict["file"]))[0]] = verdict
    aimed = {}
    for line in open(args.list):
        name, rule, what = line.rstrip("\n").split("\t")
        aimed[os.path.splitext(name)[0]] = (rule, what)
    agree, differ = collections.Counter(), 0
    met = collections.Counter()
    seen = set()
    for line in open(args.answers, errors="surrogateescape"):
        fields = line.rstrip("\n").split("\t")
        if fields[0] not in ("blob", "insmod"):
            continue
        name, errno, said = os.path.splitext(fields[1])[0], int(fields[2]), [plain(f) for f in fields[3:]]
        if name not in verdicts:
            continue
        seen.add(name)
        verdict = verdicts[name]
        want_errno, want = expected(verdict)
        rule = verdict["violations"][0]["rule"] if verdict["violations"] else "-"
        same = want_errno == errno
        # A kernel's own log has no line about the type of a wrong member, and none at all about a base that does not fit.
        if same and errno:
            if fields[0] == "blob":
                same = said[-1] == want[-1] and (said[0] == want[0] or not want[0].startswith("["))
            else:
                same = said[0] == want[-1] or rule == "Z4"
        if same:
            agree["taken" if errno == 0 else "refused"] += 1
            met[rule] += errno != 0
        else:
            differ += 1
            print(f"{name}: kernel {errno} {said}, verify {want_errno} ({rule}) {want}; aimed {aimed.get(name)}")
    missing = set(verdicts) - seen
    if missing or not seen:
        differ += len(missing) or 1
        print(f"no answer for {len(missing)} files: {sorted(missing)[:5]}")
    print("rules met: " + ", ".join(f"{rule} {count}" for rule, count in sorted(met.items()) if count))
    rules = sum(1 for count in met.values() if count)
    print(f"{agree['taken']} taken by both, {agree['refused']} refused by both for the same reason, {rules} rules")
    print(f"{sum(agree.values())} agree, {differ} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
