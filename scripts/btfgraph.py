"""BTF as a type graph in numpy columns, and the equality of types that btfcmp.py and btfmin.py stand on.

Pipeline: `load()` reads the `.BTF` of an ELF file or raw BTF -> `Btf`, one row per type and one per edge -> `Graph` joins many
files (each base once) into one id space -> `Graph.colours()` gives every type a colour such that equal colours mean equal
type graphs: the coarsest partition in which equal types have equal labels and, position by position, equal references.

Two notions of equality:
  strict    the whole graph behind a type
  nominal   a named struct, union, enum or forward declaration behind a reference counts by its name alone, so that one
            difference shows once, where it is, and not in everything that reaches it

This is a second, independent statement of what the Rust code does: it shares nothing with it, on purpose. Written for throughput
over a thousand files: no Python loop over types except the scan for record starts.
"""

import os
import struct
import sys

try:
    import numpy as np
except ImportError:
    sys.exit("numpy is missing: run this through scripts/python.sh, or install python3-numpy")

KINDS = (
    "VOID INT PTR ARRAY STRUCT UNION ENUM FWD TYPEDEF VOLATILE CONST RESTRICT FUNC FUNC_PROTO VAR DATASEC FLOAT DECL_TAG "
    "TYPE_TAG ENUM64"
).split()
(INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT,
 DECL_TAG, TYPE_TAG, ENUM64) = range(1, 20)

# Never taken from the base and never merged with one of it: not counted as redundant.
OWN_KINDS = (FUNC, VAR, DATASEC, DECL_TAG)
# Named composites: what nominal equality takes by name.
TAG_KINDS = (STRUCT, UNION, ENUM, ENUM64, FWD)

# Per kind: words of the fixed trailer, words of each of the vlen elements (btf.rst 2.2).
TRAILER_WORDS = np.zeros(128, np.int64)
TRAILER_WORDS[[INT, VAR, DECL_TAG]] = 1
TRAILER_WORDS[ARRAY] = 3
ELEMENT_WORDS = np.zeros(128, np.int64)
ELEMENT_WORDS[[STRUCT, UNION, DATASEC, ENUM64]] = 3
ELEMENT_WORDS[[ENUM, FUNC_PROTO]] = 2


class BtfError(Exception):
    """A file that is not what it should be; the message names the file."""


def _mask(*kinds):
    mask = np.zeros(128, bool)
    mask[list(kinds)] = True
    return mask


_THIRD_IS_REF = _mask(PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG, FUNC, VAR, DECL_TAG, FUNC_PROTO)
_OWN = _mask(*OWN_KINDS)
_TAG = _mask(*TAG_KINDS)


def kinds_mask(*kinds):
    """Boolean table over kind numbers, to index with a column of kinds."""
    return _mask(*kinds)


class Strings:
    """Every string that occurs gets one number, in all files alike; 0 is the empty string."""

    def __init__(self):
        self.number = {b"": 0}
        self.text = [b""]

    def intern(self, text):
        number = self.number.setdefault(text, len(self.text))
        if number == len(self.text):
            self.text.append(text)
        return number

    def __getitem__(self, number):
        return self.text[number].decode("utf-8", "backslashreplace")


def raw_btf(path):
    """The bytes of the .BTF section of an ELF file, or of the file itself when it is no ELF file."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:4] != b"\x7fELF":
                return head + file.read()
            return _elf_section(file, head, path)
    except (OSError, struct.error) as error:
        raise BtfError(f"{path}: {error}") from error


def _elf_section(file, head, path):
    is64, order = head[4] == 2, "<" if head[5] == 1 else ">"
    table_off, = struct.unpack_from(order + ("Q" if is64 else "I"), head, 0x28 if is64 else 0x20)
    entry, count, names = struct.unpack_from(order + "HHH", head, 0x3A if is64 else 0x2E)
    place = struct.Struct(order + ("QQ" if is64 else "II"))

    def header(index):
        file.seek(table_off + index * entry)
        data = file.read(entry)
        offset, size = place.unpack_from(data, 0x18 if is64 else 0x10)
        return struct.unpack_from(order + "I", data)[0], offset, size

    if count == 0:
        count = header(0)[2]
    _, names_off, names_size = header(names)
    file.seek(names_off)
    names = file.read(names_size)
    for index in range(1, count):
        name, offset, size = header(index)
        if names[name:names.index(b"\0", name)] == b".BTF":
            file.seek(offset)
            return file.read(size)
    raise BtfError(f"{path}: no .BTF section")


def _runs(starts, lengths):
    """For runs of `lengths` from `starts`: (owner of each place, place within its run, starts + place)."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    begin = np.cumsum(lengths) - lengths
    place = np.arange(len(owner)) - begin[owner]
    return owner, place, starts[owner] + place


class Btf:
    """The types of one file: columns `kind`, `name` (number of the string), `vlen`, `kflag`, `third`, `words` (length of the
    record), edges `edge_from`, `edge_pos`, `edge_to` (type ids of the file), `label` (64-bit hash of all that is no reference)."""

    def __init__(self, path, data, strings, base=None):
        self.path, self.base, self.strings, self.size = path, base, strings, len(data)
        if len(data) < 24 or data[:2] not in (b"\x9f\xeb", b"\xeb\x9f"):
            raise BtfError(f"{path}: not BTF")
        order = "<" if data[:2] == b"\x9f\xeb" else ">"
        header, type_off, type_len, str_off, str_len = struct.unpack_from(order + "IIIII", data, 4)
        self.string_bytes = data[header + str_off:header + str_off + str_len]
        self.start = base.end if base else 1
        self.str_start = base.str_end if base else 0
        self.str_end = self.str_start + len(self.string_bytes)
        self._string_number = np.full(len(self.string_bytes) + 1, -1, np.int64)
        types = data[header + type_off:header + type_off + type_len]
        if len(types) != type_len or type_len % 4 or len(self.string_bytes) != str_len:
            raise BtfError(f"{path}: BTF is cut short")
        self.type_bytes = type_len
        self._parse(np.frombuffer(types, order + "u4").astype(np.int64))

    def _parse(self, words):
        at = self._record_starts(words)
        count = len(at)
        self.end = self.start + count
        info = words[at + 1] if count else np.zeros(0, np.int64)
        self.name = self.string_numbers(words[at])
        self.kind, self.vlen, self.kflag = (info >> 24) & 0x7F, info & 0xFFFFFF, info >> 31
        self.third = words[at + 2]
        kind, vlen = self.kind, self.vlen
        bad = (kind == 0) | (kind > ENUM64)
        if bad.any():
            row = int(np.argmax(bad))
            raise BtfError(f"{self.path}: type {self.start + row} has the unknown kind {kind[row]}")
        fixed = TRAILER_WORDS[kind]
        self.words = 3 + fixed + ELEMENT_WORDS[kind] * np.where(ELEMENT_WORDS[kind] > 0, vlen, 0)

        label = mix(self.name + (kind << 32) + (self.kflag << 40))
        label = mix(label + vlen.astype(np.uint64))
        label = mix(label + np.where(_THIRD_IS_REF[kind], 0, self.third).astype(np.uint64))
        one = fixed == 1
        label[one] = mix(label[one] + words[at[one] + 3].astype(np.uint64))

        edges = []
        rows = np.flatnonzero(_THIRD_IS_REF[kind])
        edges.append((rows, np.zeros(len(rows), np.int64), self.third[rows]))
        rows = np.flatnonzero(kind == ARRAY)
        edges.append((rows, np.zeros(len(rows), np.int64), words[at[rows] + 3]))
        edges.append((rows, np.ones(len(rows), np.int64), words[at[rows] + 4]))
        label[rows] = mix(label[rows] + words[at[rows] + 5].astype(np.uint64))

        for group in ((STRUCT, UNION), (ENUM,), (ENUM64,), (FUNC_PROTO,), (DATASEC,)):
            rows = np.flatnonzero(np.isin(kind, group))
            if not len(rows):
                continue
            step = int(ELEMENT_WORDS[group[0]])
            owner, place, _ = _runs(at[rows], vlen[rows])
            word = at[rows][owner] + 3 + place * step
            row = rows[owner]
            first = words[word] if group[0] == DATASEC else self.string_numbers(words[word])
            if group[0] == DATASEC:
                edges.append((row, place, first))
                part = mix(place + 1)
            else:
                part = mix(first + (place << 32))
                if group[0] in (STRUCT, FUNC_PROTO):
                    edges.append((row, place + (1 if group[0] == FUNC_PROTO else 0), words[word + 1]))
            if group[0] == ENUM:
                part = mix(part + words[word + 1].astype(np.uint64))
            elif group[0] == ENUM64:
                part = mix(part + words[word + 1].astype(np.uint64))
            if step == 3 and group[0] != DATASEC:
                part = mix(part + words[word + 2].astype(np.uint64))
            elif group[0] == DATASEC:
                part = mix(part + words[word + 1].astype(np.uint64))
                part = mix(part + words[word + 2].astype(np.uint64))
            total = np.concatenate(([np.uint64(0)], np.cumsum(part, dtype=np.uint64)))
            begin = np.cumsum(vlen[rows]) - vlen[rows]
            label[rows] = mix(label[rows] + (total[begin + vlen[rows]] - total[begin]))
        self.label = label

        self.edge_from, self.edge_pos, self.edge_to = (np.concatenate(column) for column in zip(*edges))
        sort = np.argsort(self.edge_from, kind="stable")
        self.edge_from, self.edge_pos, self.edge_to = self.edge_from[sort], self.edge_pos[sort], self.edge_to[sort]
        if len(self.edge_to) and int(self.edge_to.max()) >= self.end:
            row = int(self.edge_from[int(np.argmax(self.edge_to))])
            raise BtfError(f"{self.path}: type {self.start + row} refers to {int(self.edge_to.max())}, the last is {self.end - 1}:"
                           " wrong base?")

    def _record_starts(self, words):
        """Word offsets of the records: the length a record would have at every word, then one hop after the other."""
        if not len(words):
            return np.zeros(0, np.int64)
        info = np.append(words[1:], 0)
        kind = (info >> 24) & 0x7F
        step = 3 + TRAILER_WORDS[kind] + ELEMENT_WORDS[kind] * (info & 0xFFFFFF)
        step = step.tolist()
        at, end, starts = 0, len(words), []
        while at < end:
            starts.append(at)
            at += step[at]
        if at != end:
            raise BtfError(f"{self.path}: the last type record is cut short")
        return np.array(starts, np.int64)

    def string_numbers(self, offsets):
        """Numbers of the strings at `offsets`, which count from the start of the base's strings."""
        own = offsets >= self.str_start
        if not own.all():
            numbers = np.empty(len(offsets), np.int64)
            numbers[~own] = self.base.string_numbers(offsets[~own])
            numbers[own] = self.string_numbers(offsets[own])
            return numbers
        offsets = offsets - self.str_start
        if not len(offsets):
            return offsets
        if not self.string_bytes and not offsets.any():
            return offsets  # an empty table without a base: only ""
        if int(offsets.max()) >= len(self.string_bytes):
            raise BtfError(f"{self.path}: string offset {int(offsets.max()) + self.str_start} is out of range: wrong base?")
        numbers = self._string_number[offsets]
        if (numbers < 0).any():
            text, intern, index = self.string_bytes, self.strings.intern, self.string_bytes.index
            for offset in np.unique(offsets[numbers < 0]).tolist():
                self._string_number[offset] = intern(text[offset:index(b"\0", offset)])
            numbers = self._string_number[offsets]
        return numbers

    def __len__(self):
        return len(self.kind)

    def describe(self, row):
        """`struct foo`-like text of one row, for reports."""
        kind, name = int(self.kind[row]), self.strings[int(self.name[row])]
        if kind == DECL_TAG:
            return f"DECL_TAG {name} of {self.describe_id(int(self.third[row]))}"
        return f"{KINDS[kind]} {name or '(anonymous)'}"

    def describe_id(self, type_id):
        if type_id == 0:
            return "void"
        owner = self if type_id >= self.start else self.base
        return owner.describe(type_id - owner.start)


def load(path, strings, base=None):
    """Reads one file; BtfError when it cannot be read as BTF."""
    return Btf(path, raw_btf(path), strings, base)


def mix(value):
    """A well mixed 64-bit hash of each number (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        value = value.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return value ^ (value >> np.uint64(31))


class Graph:
    """Several files in one id space: 0 is void, then the rows of each file in turn. Bases must stand before what uses them."""

    def __init__(self, files):
        self.files, self.at = files, {}
        total = 1
        for file in files:
            self.at[id(file)] = total
            total += len(file)
        self.total = total
        none = [np.zeros(0, np.int64)]
        self.label = np.concatenate([np.zeros(1, np.uint64)] + [f.label for f in files])
        self.kind = np.concatenate([np.zeros(1, np.int64)] + [f.kind for f in files])
        self.name = np.concatenate([np.zeros(1, np.int64)] + [f.name for f in files])
        self.edge_from = np.concatenate(none + [f.edge_from + self.at[id(f)] for f in files])
        self.edge_pos = np.concatenate(none + [f.edge_pos for f in files])
        self.edge_to = np.concatenate(none + [self._global(f, f.edge_to) for f in files])
        degree = np.bincount(self.edge_from, minlength=total) if len(self.edge_from) else np.zeros(total, np.int64)
        self.edge_end = np.cumsum(degree)
        self.edge_begin = self.edge_end - degree
        self.rounds = 0

    def _global(self, file, ids):
        result = ids + (self.at[id(file)] - file.start)
        if file.base is not None:
            base = file.base
            result = np.where(ids < file.start, ids + (self.at[id(base)] - base.start), result)
        result[ids == 0] = 0
        return result

    def rows(self, file):
        """Slice of `file` in the arrays of the graph."""
        begin = self.at[id(file)]
        return slice(begin, begin + len(file))

    def colours(self, nominal=False):
        """Colour of every type, numbered 0.. without holes."""
        place = mix(self.edge_pos + 1)
        if nominal:
            stop = _TAG[self.kind] & (self.name != 0)
            by_name = mix(self.name + (1 << 50))
        colour, classes = self.label, -1
        self.rounds = 0
        while True:
            seen = np.where(stop, by_name, colour) if nominal else colour
            with np.errstate(over="ignore"):
                part = mix(seen[self.edge_to] ^ place)
                total = np.concatenate(([np.uint64(0)], np.cumsum(part, dtype=np.uint64)))
                colour = mix(self.label + mix(total[self.edge_end] - total[self.edge_begin]))
            colour[0] = 0
            ordered = np.sort(colour)
            now = 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
            if now == classes:
                return np.unique(colour, return_inverse=True)[1].reshape(-1)
            classes = now
            self.rounds += 1


def redundant(graph, file, colour, in_base):
    """Rows of `file` whose equal stands in the base, and rows whose equal stands earlier in the file: two boolean columns."""
    own = colour[graph.rows(file)]
    counted = ~_OWN[file.kind]
    base_has = in_base[own] & counted
    first = np.zeros(len(own), bool)
    first[np.unique(own, return_index=True)[1]] = True
    # A FUNC never equals a type of another kind, so `first` needs no regard for what is not counted.
    return base_has, counted & ~first & ~base_has


def base_table(graph, base, colour):
    """Boolean table over colours: does the base have it?"""
    table = np.zeros(int(colour.max()) + 1 if len(colour) else 1, bool)
    if base is not None:
        table[colour[graph.rows(base)]] = True
    return table


def find_files(paths):
    """Name to path of the encodings in `paths`; folders are searched for *.btf and *.ko. `foo.ko` and `foo.ko.btf` are named `foo.ko`."""
    found = {}

    def add(path):
        name = os.path.basename(path)
        name = name[:-4] if name.endswith(".btf") else name
        if found.setdefault(name, path) != path:
            raise BtfError(f"{path} and {found[name]} have the same name")

    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in sorted(os.walk(path, followlinks=True)):
                for name in sorted(names):
                    if name.endswith((".btf", ".ko")):
                        add(os.path.join(folder, name))
        else:
            add(path)
    return found
