"""What the ids in a module's .BTF_ids mean, by name, to compare files whose ids differ, and whether that is what they should mean.

    btfids.py [--base BASE] FILE...        (through scripts/python.sh: needs numpy)

FILE is a 64-bit little-endian ELF file with .BTF (.BTF.base is taken as the base if it is there and none is given) and .BTF_ids.
Prints a line per id, sets in the order of their functions' names, flags of kfuncs with them. The names come from the types; the
symbols (__BTF_ID__func__foo__12) say which they should be: exit status 1 if one is another one. An id of 0 is `unresolved`.
With --summary only counts are printed, and what is wrong.
"""

import argparse
import os
import re
import sys
import tempfile

import btfgraph
import idsection


def examine(path, base, strings):
    """Lines that say what the ids are, and what is wrong with them."""
    elf, section = idsection.read(path)
    if section is None:
        return ["no .BTF_ids"], []
    distilled = elf.section(".BTF.base")
    if not base and distilled:
        with tempfile.NamedTemporaryFile(delete=False) as part:
            part.write(distilled)
        base = btfgraph.load(part.name, strings)
        os.unlink(part.name)
    btf = btfgraph.load(path, strings, base)

    def meaning(type_id):
        return btf.describe_id(type_id) if type_id else "unresolved"

    def flags(word):
        return "" if word is None else f" flags {word:#x}"

    lines, bad = [], []
    for found in section.sets:
        name = f"{found.kind} {found.name}"
        wanted = sorted("%s %s" % section.wanted.get(place, ("?", "?")) for place in found.places)
        got = sorted(map(meaning, found.ids))
        lines.append(f"{name}: {found.count}{flags(found.flags)}")
        entries = zip(map(meaning, found.ids), found.entry_flags)
        lines.extend(f"    {what}{flags(word)}" for what, word in sorted(entries, key=lambda entry: entry[0]))
        if wanted != got:
            bad.append(f"{name}: is {got}, should be {wanted}")
        if not found.is_sound():
            bad.append(f"{name}: count {found.count} of {found.size}, ids in the order {found.ids}")
    for place in section.single:
        got, wanted = meaning(section.word(place)), "%s %s" % section.wanted[place]
        lines.append(f"at {place:#x}: {got}")
        if got != wanted:
            bad.append(f"at {place:#x}: is {got}, should be {wanted}")
    return lines, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("file", nargs="+")
    args = parser.parse_args()
    strings = btfgraph.Strings()
    base = btfgraph.load(args.base, strings) if args.base else None
    wrong = files = ids = 0
    for path in args.file:
        lines, bad = examine(path, base, strings)
        wrong += len(bad)
        count = sum(bool(re.search("FUNC|STRUCT|UNION|TYPEDEF|unresolved", line)) for line in lines)
        files, ids = files + (count > 0), ids + count
        if not args.summary:
            print("\n".join(lines))
        for text in bad:
            print(f"{os.path.basename(path)}: {text}", file=sys.stderr)
    if args.summary:
        print(f"{files} files, {ids} ids, {wrong} wrong")
    return 1 if wrong else 0


sys.exit(main())
