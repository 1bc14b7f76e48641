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
import struct
import sys
import tempfile

import btfgraph


def sections(data):
    shoff, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + i * size) for i in range(count)]
    base = heads[names][4]
    found = {}
    for number, (name, kind, _, _, offset, length, link, *_rest) in enumerate(heads):
        text = data[base + name : data.index(b"\0", base + name)].decode()
        found[text] = (number, offset, length, link, kind)
    return heads, found


def examine(path, base, strings):
    """Lines that say what the ids are, and what is wrong with them."""
    with open(path, "rb") as file:
        data = file.read()
    heads, found = sections(data)
    if ".BTF_ids" not in found:
        return ["no .BTF_ids"], []
    if not base and ".BTF.base" in found:
        _, offset, length, _, _ = found[".BTF.base"]
        with tempfile.NamedTemporaryFile(delete=False) as part:
            part.write(data[offset : offset + length])
        base = btfgraph.load(part.name, strings)
        os.unlink(part.name)
    btf = btfgraph.load(path, strings, base)

    number, start, length, _, _ = found[".BTF_ids"]
    address = heads[number][3]  # 0 in a module; symbols of a kernel have addresses
    ids = data[start : start + length]
    _, symbols, size, link, _ = found[".symtab"]
    names = heads[link][4]
    single, sets = {}, {}
    for at in range(symbols, symbols + size, 24):
        name, _info, _other, index, value, _length = struct.unpack_from("<IBBHQQ", data, at)
        if index != number:
            continue
        value -= address
        text = data[names + name : data.index(b"\0", names + name)].decode()
        match = re.fullmatch(r"__BTF_ID__(set8|set)__(.+)", text)
        if match:
            sets[value] = match.groups()
            continue
        match = re.fullmatch(r"__BTF_ID__(struct|union|typedef|func)__(.+?)(?:__\d+)+", text)
        if match:
            single[value] = (match[1].upper(), match[2])

    def word(at):
        return struct.unpack_from("<I", ids, at)[0]

    def meaning(type_id):
        return btf.describe_id(type_id) if type_id else "unresolved"

    bad, inside = [], set()
    lines = []
    for at, (kind, name) in sorted(sets.items(), key=lambda item: item[1]):
        step = 8 if kind == "set8" else 4
        head = 8 if kind == "set8" else 4
        places = [at + head + i * step for i in range(word(at))]
        inside.update(places)
        wanted = sorted("%s %s" % single.get(place, ("?", "?")) for place in places)
        got = sorted(meaning(word(place)) for place in places)
        lines.append(f"{kind} {name}: {word(at)}" + (f" flags {word(at + 4):#x}" if kind == "set8" else ""))
        for place in sorted(places, key=lambda place: meaning(word(place))):
            lines.append(f"    {meaning(word(place))}" + (f" flags {word(place + 4):#x}" if kind == "set8" else ""))
        if wanted != got:
            bad.append(f"{kind} {name}: is {got}, should be {wanted}")
        values = [word(place) for place in places]
        if values != sorted(values):
            bad.append(f"{kind} {name} is not sorted by id: {values}")
    for at, (kind, name) in sorted(single.items()):
        if at in inside:
            continue
        lines.append(f"at {at:#x}: {meaning(word(at))}")
        if meaning(word(at)) != f"{kind} {name}":
            bad.append(f"at {at:#x}: is {meaning(word(at))}, should be {kind} {name}")
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
