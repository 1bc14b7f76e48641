#!/usr/bin/env python3
"""Do modules have the same BTF ids, by name?

    idscmp.py --base VMLINUX DIR DIR        (plain Python, needs nothing; ELF of 64 bits, little-endian)

Modules of one name in both folders are compared by their .BTF_ids: each word that a symbol says is an id is read as the type that it
means in the module's own .BTF, on top of the base. Ids of the base must be equal, own ones must be of types of the same kind and name.
Sets must be in ascending order, have the right count, and the same entries with the same flags.
Exit status: 0, 1 with two lines per difference, 2 for files that cannot be read.
"""

import argparse
import os
import struct
import sys

SYMTAB = 2
# Bytes after a type's first three words (btf.rst 2.2): per kind for the type, and per element.
FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


def text(table, offset):
    """The string at an offset."""
    return table[offset:table.index(b"\0", offset)].decode("latin1")


class Elf:
    """Sections of a file by number."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = data = file.read()
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path}: not an ELF file of 64 bits, little-endian")
        (start,) = struct.unpack_from("<Q", data, 40)
        count, names = struct.unpack_from("<HH", data, 60)
        self.headers = [struct.unpack_from("<IIQQQQIIQQ", data, start + 64 * index) for index in range(count)]
        table = self.content(names)
        self.names = [text(table, header[0]) for header in self.headers]

    def content(self, index):
        """Bytes of a section."""
        return self.data[self.headers[index][4]:][:self.headers[index][5]]

    def section(self, name):
        """Bytes of a section by its name, or None."""
        return self.content(self.names.index(name)) if name in self.names else None

    def symbols(self, section):
        """Name, value and size of the symbols in a section."""
        for header in (h for h in self.headers if h[1] == SYMTAB):
            strings = self.content(header[6])
            for at in range(header[4], header[4] + header[5], 24):
                name, _, _, where, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
                if where == section:
                    yield text(strings, name), value, size


class Btf:
    """Kinds and names of the types of a BTF."""

    def __init__(self, data, base=None):
        _, _, _, header, types, length, strings, _ = struct.unpack_from("<HBBIIIII", data, 0)
        self.base, self.strings = base, data[header + strings:]
        self.first = base.first + len(base.types) if base else 1
        self.start = base.start + base.size if base else 0
        self.size = struct.unpack_from("<I", data, 20)[0]
        self.types, at = [], header + types
        while at < header + types + length:
            name, info, _ = struct.unpack_from("<III", data, at)
            kind = info >> 24 & 31
            self.types.append((kind, name))
            at += 12 + FIXED.get(kind, 0) + EACH.get(kind, 0) * (info & 0xFFFF)

    def name(self, offset):
        """The name at an offset."""
        return self.base.name(offset) if offset < self.start else text(self.strings, offset - self.start)

    def describe(self, number):
        """What an id means."""
        if number == 0:
            return "no type"
        if number < self.first:
            return f"type {number} of the base"
        if number >= self.first + len(self.types):
            return f"id {number}, which there is not"
        kind, name = self.types[number - self.first]
        return f"own {self.name(name)} (kind {kind})"


def ids(path, base):
    """What the ids of a module mean, by symbol; None if it has none."""
    elf = Elf(path)
    section = elf.section(".BTF_ids")
    if section is None:
        return None
    btf = Btf(elf.section(".BTF"), base)
    words = struct.unpack(f"<{len(section) // 4}I", section)
    found, of_sets, single = {}, set(), {}
    for symbol, value, size in elf.symbols(elf.names.index(".BTF_ids")):
        stride = 8 if symbol.startswith("__BTF_ID__set8__") else 4
        if not symbol.startswith("__BTF_ID__set"):
            if symbol.startswith("__BTF_ID__"):
                single[value] = symbol
            continue
        count = size // stride - 1
        places = [value + stride * (1 + number) for number in range(count)]
        of_sets.update(places)
        numbers = [words[at // 4] for at in places]
        flags = [words[at // 4 + 1] if stride == 8 else 0 for at in places]
        found[symbol] = (
            words[value // 4] == count, numbers == sorted(numbers), stride == 8 and words[value // 4 + 1],
            sorted(zip(map(btf.describe, numbers), flags)),
        )
    for at, symbol in single.items():
        if at not in of_sets:
            found[symbol] = btf.describe(words[at // 4])
    return found


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("folders", nargs=2)
    args = parser.parse_args()
    compared, bad = 0, 0
    try:
        base = Btf(Elf(args.base).section(".BTF"))
        for name in sorted(os.listdir(args.folders[0])):
            one, other = (ids(os.path.join(folder, name), base) for folder in args.folders)
            if one is None and other is None:
                continue
            compared += 1
            bad += one != other
            for symbol in sorted(set(one or {}) | set(other or {})):
                left, right = (one or {}).get(symbol), (other or {}).get(symbol)
                if left != right:
                    print(f"{name}: {symbol}: {left}\n    but {right}")
                elif isinstance(left, tuple) and not (left[0] and left[1]):
                    print(f"{name}: {symbol}: wrong count or order in both")
                    bad += 1
    except (OSError, ValueError, struct.error) as error:
        print(f"idscmp: {error}", file=sys.stderr)
        return 2
    print(f"{compared} modules with .BTF_ids, {bad} differ")
    return 1 if bad or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
