"""The .BTF_ids of an ELF file by its symbols (btf.rst 4.2): what btfids.py and idscmp.py look at."""

import re
import struct

SYMTAB = 2


class Elf:
    """Sections of an ELF file of 64 bits, little-endian."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = data = file.read()
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path}: not an ELF file of 64 bits, little-endian")
        (start,) = struct.unpack_from("<Q", data, 40)
        size, count, names = struct.unpack_from("<HHH", data, 58)
        self.headers = [struct.unpack_from("<IIQQQQIIQQ", data, start + size * index) for index in range(count)]
        self.names = [self.text(names, header[0]) for header in self.headers]

    def text(self, table, offset):
        """The string at an offset in the string table with this number."""
        at = self.headers[table][4] + offset
        return self.data[at:self.data.index(b"\0", at)].decode("latin1")

    def section(self, name):
        """Bytes of a section, or None."""
        if name not in self.names:
            return None
        header = self.headers[self.names.index(name)]
        return self.data[header[4]:header[4] + header[5]]

    def symbols(self, section):
        """Name, offset and size of the symbols in the section with this name."""
        for header in (header for header in self.headers if header[1] == SYMTAB):
            for at in range(header[4], header[4] + header[5], 24):
                name, _, _, where, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
                if 0 < where < len(self.names) and self.names[where] == section:
                    # Symbols of a kernel have addresses; sections of a module are at 0.
                    yield self.text(header[6], name), value - self.headers[where][3], size


class Set:
    """A set: `set` or `set8`, its name, what its count should be and is, its flags (None for `set`), the offsets of its entries."""

    def __init__(self, section, kind, name, offset, size):
        self.kind, self.name = kind, name
        self.stride = 8 if kind == "set8" else 4
        self.size = size // self.stride - 1
        self.count = section.word(offset)
        self.flags = section.word(offset + 4) if kind == "set8" else None
        self.places = [offset + self.stride * (1 + number) for number in range(self.size)]
        self.ids = [section.word(place) for place in self.places]
        self.entry_flags = [section.word(place + 4) if kind == "set8" else None for place in self.places]

    def is_sound(self):
        """Whether the count is right and the ids are in ascending order, as kernels search them."""
        return self.count == self.size and self.ids == sorted(self.ids)


class IdSection:
    """The section: its sets by name, and for each offset at which symbols say that there is an id the kind and the
    name that it should have, as in ("FUNC", "foo")."""

    def __init__(self, elf):
        self.data = elf.section(".BTF_ids")
        self.sets, self.wanted = [], {}
        for symbol, value, size in elf.symbols(".BTF_ids"):
            if match := re.fullmatch(r"__BTF_ID__(set8|set)__(.+)", symbol):
                self.sets.append(Set(self, *match.groups(), value, size))
            elif match := re.fullmatch(r"__BTF_ID__(struct|union|typedef|func)__(.+?)(?:__\d+)+", symbol):
                self.wanted[value] = (match[1].upper(), match[2])
        self.sets.sort(key=lambda found: (found.kind, found.name))
        inside = {place for found in self.sets for place in found.places}
        self.single = sorted(place for place in self.wanted if place not in inside)

    def word(self, offset):
        """The word at an offset."""
        return struct.unpack_from("<I", self.data, offset)[0]


def read(path):
    """The file, and its section or None."""
    elf = Elf(path)
    return elf, IdSection(elf) if elf.section(".BTF_ids") is not None else None
