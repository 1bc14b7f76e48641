#!/usr/bin/env python3
"""Did putting BTF into an ELF file change anything else?

    elfcmp.py BEFORE AFTER [--btf FILE]        (plain Python, needs nothing)

Both files must have the same ELF header (but for where tables lie) and the same sections in the same order, with equal
headers and contents, except .BTF, which may also be new, .BTF_ids, which is filled in, and the table of section names. Sections must lie inside the file, at
their alignment where they did before, and not overlap. With --btf, the content of .BTF must be that file.
Exit status: 0, 1 with one line per difference, 2 for files that cannot be read.
"""

import argparse
import struct
import sys

RELA, NOBITS, REL = 4, 8, 9
INFO_LINK = 0x40


class Elf:
    """Header and sections of one file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = data = file.read()
        if data[:4] != b"\x7fELF":
            raise ValueError(f"{path}: not an ELF file")
        wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
        fields = struct.unpack_from(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), data, 16)
        (self.type, self.machine, _, self.entry, _, sections_off, self.flags, _, _, self.segments, size, count, names) = fields
        layout = struct.Struct(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"))
        if count == 0 and sections_off:
            count = layout.unpack_from(data, sections_off)[5]
        headers = [layout.unpack_from(data, sections_off + index * size) for index in range(count)]
        table = headers[names][4]
        self.sections = []
        for name, kind, flags, address, offset, length, link, info, align, entry in headers:
            end = data.index(b"\0", table + name)
            self.sections.append({
                "name": data[table + name:end].decode("latin1"), "type": kind, "flags": flags, "address": address, "size": length,
                "link": link, "info": info, "align": align, "entry size": entry, "offset": offset,
                "content": b"" if kind == NOBITS else data[offset:offset + length],
            })
        self.names_index = names


def differences(before, after, btf):
    """One line per difference."""
    for field in ("type", "machine", "flags", "entry", "segments"):
        if getattr(before, field) != getattr(after, field):
            yield f"ELF header: {field} was {getattr(before, field):#x}, is {getattr(after, field):#x}"
    old = list(enumerate(before.sections))
    new = list(enumerate(after.sections))
    if not any(section["name"] == ".BTF" for _, section in old):
        new = [(index, section) for index, section in new if section["name"] != ".BTF"]
    if [section["name"] for _, section in old] != [section["name"] for _, section in new]:
        yield f"sections were {' '.join(s['name'] for _, s in old)}; are {' '.join(s['name'] for _, s in new)}"
        return
    moved = {was: now for (was, _), (now, _) in zip(old, new)}
    aligned_before = {}
    for (index, one), (now, other) in zip(old, new):
        aligned_before[now] = one["align"] > 1 and one["offset"] % one["align"] == 0
        free = {"offset"}
        if one["name"] == ".BTF_ids":  # filled in
            free |= {"content"}
        if one["name"] == ".BTF":
            free |= {"size", "content", "align"}
        if index == before.names_index:
            free |= {"size", "content"}
        for field, value in one.items():
            if field == "link" or (field == "info" and (one["type"] in (REL, RELA) or one["flags"] & INFO_LINK)):
                value = moved.get(value, value)
            if field not in free and value != other[field]:
                what = "content differs" if field == "content" else f"{field} was {value:#x}, is {other[field]:#x}"
                yield f"section {index} {one['name']}: {what}"
    spans = []
    for index, section in enumerate(after.sections):
        if section["type"] in (0, NOBITS) or not section["size"]:
            continue
        begin, end = section["offset"], section["offset"] + section["size"]
        if end > len(after.data):
            yield f"section {index} {section['name']}: ends at {end:#x}, past the end of the file ({len(after.data):#x})"
        if section["align"] > 1 and begin % section["align"] and aligned_before.get(index, True):
            yield f"section {index} {section['name']}: offset {begin:#x} is not aligned to {section['align']}"
        spans.append((begin, end, section["name"]))
    spans.sort()
    for (_, end, name), (begin, _, following) in zip(spans, spans[1:]):
        if begin < end:
            yield f"sections {name} and {following} overlap at {begin:#x}"
    written = [section for section in after.sections if section["name"] == ".BTF"]
    if len(written) != 1:
        yield f"{len(written)} sections .BTF"
    elif btf is not None:
        if written[0]["content"] != btf:
            yield ".BTF is not what was encoded into a file of its own"
        if written[0]["align"] < 4:
            yield f".BTF is aligned to {written[0]['align']}; its words are 4 bytes"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--btf")
    args = parser.parse_args()
    try:
        btf = None
        if args.btf:
            with open(args.btf, "rb") as file:
                btf = file.read()
        lines = list(differences(Elf(args.before), Elf(args.after), btf))
    except (OSError, ValueError, struct.error) as error:
        print(f"elfcmp: {error}", file=sys.stderr)
        return 2
    for line in lines:
        print(f"{args.after}: {line}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
