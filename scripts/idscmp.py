#!/usr/bin/env python3
"""Do modules have the same BTF ids, by name?

    idscmp.py --base VMLINUX DIR DIR        (through scripts/python.sh: needs numpy; ELF of 64 bits, little-endian)

Modules of one name in both folders are compared by their .BTF_ids: each word that a symbol says is an id is read as the type that it
means in the module's own .BTF, on top of the base. Ids of the base must be equal, own ones must be of types of the same kind and name.
Sets must be in ascending order, have the right count, and the same entries with the same flags.
Exit status: 0, 1 with two lines per difference, 2 for files that cannot be read.
"""

import argparse
import os
import sys

import btfgraph
import idsection


def ids(path, strings, base):
    """What the ids of a module mean, by what the symbols call them; None if it has none. And the sets that are not sound."""
    _, section = idsection.read(path)
    if section is None:
        return None, []
    btf = btfgraph.load(path, strings, base)

    def meaning(type_id):
        if type_id == 0:
            return "no type"
        return f"own {btf.describe_id(type_id)}" if type_id >= btf.start else f"type {type_id} of the base"

    found = {place: (section.wanted[place], meaning(section.word(place))) for place in section.single}
    for one in section.sets:
        entries = sorted(zip(map(meaning, one.ids), one.entry_flags), key=str)
        found[f"{one.kind} {one.name}"] = (one.size, one.flags, entries)
    return found, [f"{one.kind} {one.name}" for one in section.sets if not one.is_sound()]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("folders", nargs=2)
    args = parser.parse_args()
    compared, bad = 0, 0
    strings = btfgraph.Strings()
    try:
        base = btfgraph.load(args.base, strings)
        for name in sorted(os.listdir(args.folders[0])):
            (one, wrong), (other, also_wrong) = (ids(os.path.join(folder, name), strings, base) for folder in args.folders)
            if one is None and other is None:
                continue
            compared += 1
            differences = [key for key in {**(one or {}), **(other or {})} if (one or {}).get(key) != (other or {}).get(key)]
            for key in sorted(differences, key=str):
                print(f"{name}: {key}: {(one or {}).get(key)}\n    but {(other or {}).get(key)}")
            for key in wrong + also_wrong:
                print(f"{name}: {key}: wrong count or order")
            bad += bool(differences or wrong or also_wrong)
    except (OSError, ValueError, btfgraph.BtfError) as error:
        print(f"idscmp: {error}", file=sys.stderr)
        return 2
    print(f"{compared} modules with .BTF_ids, {bad} differ")
    return 1 if bad or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
