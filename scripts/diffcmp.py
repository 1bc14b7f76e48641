#!/usr/bin/env python3
"""Compares what `btfgen diff` says of structs with what gdb reads from the DWARF of both kernels.

    diffcmp.py list A.json B.json            what gdb-members.py printed of two kernels: the list of differences, on standard output
    diffcmp.py check LIST DIFF.json          LIST against the output of `btfgen diff --json`: a line per struct, and `N passed, N failed`

A line of the list is a struct, what became of a member of it (removed, added, changed, or the struct's size), and the member's path. A struct
without differences has one line, `same`. Members without a name are partners if they are equal, else in their order, as docs/inspect.md has it.
Shares nothing with btfgen: another reader, of other debug information, in another language.
"""

import json
import sys
from collections import defaultdict


def compare(path, old, new, seen):
    """What differs in the members of two composites: set of (what, path). Two of them are compared once, where they are met first (the kernel's
    struct_group() has the same members twice)."""
    found = set()
    if (key := json.dumps([old, new])) in seen:
        return found
    seen.add(key)
    if old["size"] != new["size"]:
        found.add(("size", path))
    before, after = list(old["members"]), list(new["members"])
    pairs = []
    by_name = {name: member for member in after if (name := member[0])}
    for member in before:
        if member[0] and member[0] in by_name:
            pairs.append((member, by_name[member[0]]))
    rest_old = [m for m in before if not m[0]]
    rest_new = [m for m in after if not m[0]]
    for member in list(rest_old):
        if member in rest_new:
            del rest_new[rest_new.index(member)]
            del rest_old[rest_old.index(member)]
    pairs += list(zip(rest_old, rest_new))
    places = {id(member): place for place, member in enumerate(after)}
    pairs.sort(key=lambda pair: places[id(pair[1])])
    count = min(len(rest_old), len(rest_new))
    names_old, names_new = {m[0] for m in before if m[0]}, {m[0] for m in after if m[0]}
    found |= {("removed", f"{path}.{name}") for name in names_old - names_new}
    found |= {("added", f"{path}.{name}") for name in names_new - names_old}
    found |= {("removed", path) for _ in rest_old[count:]} | {("added", path) for _ in rest_new[count:]}
    for one, other in pairs:
        place = f"{path}.{one[0]}" if one[0] else path
        both = isinstance(one[1], dict) and isinstance(other[1], dict)
        if both:
            found |= compare(place, one[1], other[1], seen)
        elif one[1] != other[1]:
            found.add(("changed", place))
        if one[2] != other[2]:
            found.add(("changed", place))
    return found


def make(first, second):
    with open(first, encoding="utf-8") as a, open(second, encoding="utf-8") as b:
        old, new = json.load(a), json.load(b)
    for name in old:
        found = compare("", old[name], new[name], set())
        for what, path in sorted(found, key=lambda f: (f[1], f[0])) or [("same", "")]:
            print(f"{name}\t{what}\t{path}")


def check(list_file, diff_file):
    expected = defaultdict(set)
    with open(list_file, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                name, what, path = line.rstrip("\n").split("\t")
                expected[name] |= {(what, path)} if what != "same" else set()
    with open(diff_file, encoding="utf-8") as text:
        diff = json.load(text)
    found = defaultdict(set)
    words = {"size": "size", "type": "changed", "bits": "changed"}
    for entry in diff["changed"]:
        if entry["kind"] != "struct":
            continue
        for change in entry["changes"]:
            if change["what"] == "element":
                what = "removed" if change["to"] is None else "added" if change["from"] is None else "changed"
            elif change["what"] in words:
                what = words[change["what"]]
            else:
                continue  # where members are is a consequence
            found[entry["name"]].add((what, change["path"]))
    passed = failed = 0
    for name, wanted in expected.items():
        if wanted == found[name]:
            passed += 1
            print(f"ok      struct {name}: {len(wanted)} differences")
        else:
            failed += 1
            print(f"FAILED  struct {name}: only by gdb {sorted(wanted - found[name])}, only by btfgen {sorted(found[name] - wanted)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in ("list", "check"):
        sys.exit({"list": make, "check": check}[sys.argv[1]](*sys.argv[2:]) or 0)
    sys.exit(__doc__)
