#!/usr/bin/env python3
"""Tests of btfgraph.py, btfcmp.py and btfmin.py on BTF made by hand.   scripts/python.sh scripts/test_btfgraph.py"""

import contextlib
import io
import os
import struct
import sys
import tempfile
import unittest
from unittest import mock

import btfcmp
import btfgraph as bg
import btfmin


class Builder:
    """Writes types one after the other; names and ids continue those of the base."""

    def __init__(self, base=None, order="<"):
        self.order, self.base, self.types, self.count = order, base, b"", base.count if base else 0
        self.strings = b"" if base else b"\0"
        self.string_start = base.string_start + len(base.strings) if base else 0

    def text(self, name):
        if not name:
            return 0
        self.strings += name.encode() + b"\0"
        return self.string_start + len(self.strings) - len(name) - 1

    def add(self, kind, name="", third=0, vlen=0, kflag=0, words=()):
        self.types += struct.pack(self.order + "III", self.text(name), kflag << 31 | kind << 24 | vlen, third)
        self.types += struct.pack(f"{self.order}{len(words)}I", *words)
        self.count += 1
        return self.count

    def int(self, name="int", size=4):
        return self.add(bg.INT, name, size, words=(size * 8,))

    def struct(self, name, size, members):
        words = [word for member, type_id, offset in members for word in (self.text(member), type_id, offset)]
        return self.add(bg.STRUCT, name, size, len(members), words=words)

    def func(self, name, result, params):
        words = [word for param, type_id in params for word in (self.text(param), type_id)]
        proto = self.add(bg.FUNC_PROTO, "", result, len(params), words=words)
        return self.add(bg.FUNC, name, proto)

    def data(self):
        head = struct.pack(self.order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return head + self.types + self.strings


def plain(builder, second="b", tag=True):
    """int; struct list { struct list *next; int a; }; f(list *); a tag on f."""
    number = builder.int()
    first = builder.count + 2
    pointer = builder.add(bg.PTR, third=first)
    builder.struct("list", 16, [("next", pointer, 0), (second, number, 64)])
    function = builder.func("f", number, [("l", pointer)])
    if tag:
        builder.add(bg.DECL_TAG, "bpf_kfunc", function, words=(0xFFFFFFFF,))
    return builder


def load(builder, base=None, strings=None):
    strings = base.strings if base else strings or bg.Strings()
    return bg.Btf("test", builder.data(), strings, base)


class Colours(unittest.TestCase):
    def setUp(self):
        self.strings = bg.Strings()

    def colours(self, *files, nominal=False):
        graph = bg.Graph(list(files))
        colour = graph.colours(nominal)
        return [colour[graph.rows(file)].tolist() for file in files]

    def test_recursive_types_are_equal_wherever_they_stand(self):
        other = Builder()
        other.int("long", 8)
        one, two = self.colours(load(plain(Builder()), strings=self.strings), load(plain(other), strings=self.strings))
        self.assertEqual(one, two[1:])
        self.assertEqual(len(set(one)), len(one))

    def test_byte_order_does_not_matter(self):
        one, two = self.colours(load(plain(Builder()), strings=self.strings), load(plain(Builder(order=">")), strings=self.strings))
        self.assertEqual(one, two)

    def test_a_member_name_changes_all_that_reach_it_but_nominally_only_the_struct(self):
        files = load(plain(Builder()), strings=self.strings), load(plain(Builder(), second="c"), strings=self.strings)
        one, two = self.colours(*files)
        self.assertEqual([a == b for a, b in zip(one, two)], [True] + [False] * 5)
        one, two = self.colours(*files, nominal=True)
        self.assertEqual([a == b for a, b in zip(one, two)], [True, True, False, True, True, True])

    def test_order_of_references_counts(self):
        def two_params(first, second):
            builder = Builder()
            ids = {"int": builder.int(), "long": builder.int("long", 8)}
            builder.func("f", 0, [("a", ids[first]), ("a", ids[second])])
            return load(builder, strings=self.strings)
        one, two = self.colours(two_params("int", "long"), two_params("long", "int"))
        self.assertEqual([a == b for a, b in zip(one, two)], [True, True, False, False])

    def test_every_field_of_a_label_counts(self):
        def build(change):
            builder = Builder()
            number = builder.int("int", 8 if change == "size" else 4)
            builder.add(bg.ARRAY, words=(number, number, 3 + (change == "nelems")))
            builder.add(bg.FWD, "x", kflag=int(change == "kflag"))
            builder.add(bg.ENUM, "e", 4, 1, words=(builder.text("A"), 1 + (change == "value")))
            builder.add(bg.ENUM64, "e", 8, 1, words=(builder.text("A"), 1, 1 + (change == "high")))
            builder.struct("s", 8, [("a", number, 32 if change == "offset" else 0)])
            builder.add(bg.FUNC, "f", builder.add(bg.FUNC_PROTO), vlen=int(change == "linkage"))
            variable = builder.add(bg.VAR, "v", number, words=(int(change == "global"),))
            builder.add(bg.DATASEC, ".d", 8, 1, words=(variable, 4 * (change == "place"), 4))
            builder.add(bg.DECL_TAG, "t", variable, words=(int(change == "index"),))
            return load(builder, strings=self.strings)
        same = build("")
        for change, row in (("size", 0), ("nelems", 1), ("kflag", 2), ("value", 3), ("high", 4), ("offset", 5), ("linkage", 7),
                            ("global", 8), ("place", 9), ("index", 10)):
            one, two = self.colours(same, build(change))
            self.assertNotEqual(one[row], two[row], change)
        one, two = self.colours(same, build(""))
        self.assertEqual(one, two)

    def test_split(self):
        below = plain(Builder())
        base = load(below, strings=self.strings)
        above = Builder(below)
        above.add(bg.PTR, third=3)                                     # the base has it
        own = above.struct("own", 8, [("p", 2, 0)])                    # p uses base types
        above.add(bg.TYPEDEF, "own_t", own)
        again = above.struct("own", 8, [("p", below.count + 1, 0)])    # the same by way of the copy
        above.add(bg.CONST, third=again)
        split = load(above, base)
        graph = bg.Graph([base, split])
        colour = graph.colours()
        base_has, repeated = bg.redundant(graph, split, colour, bg.base_table(graph, base, colour))
        self.assertEqual(base_has.tolist(), [True, False, False, False, False])
        self.assertEqual(repeated.tolist(), [False, False, False, True, False])

    def test_an_empty_split(self):
        below = plain(Builder())
        base = load(below, strings=self.strings)
        split = load(Builder(below), base)
        self.assertEqual(self.colours(base, split)[1], [])

    def test_bad_input(self):
        good = plain(Builder()).data()
        for data in (b"", b"hello", good[:20], good[:60], good[:24] + b"\xff" * 40 + good[64:]):
            with self.assertRaises(bg.BtfError):
                bg.Btf("test", data, bg.Strings())
        wrong = Builder()
        wrong.add(bg.PTR, third=77)
        with self.assertRaisesRegex(bg.BtfError, "wrong base"):
            load(wrong)


class Tools(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, content):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def run_tool(self, module, *args):
        out = io.StringIO()
        with mock.patch.object(sys, "argv", [module.__name__, *args]), contextlib.redirect_stdout(out):
            status = module.main()
        return status, out.getvalue()

    def test_missing_function_and_its_tag_are_explained_together(self):
        theirs = self.write("theirs.btf", plain(Builder()).data())
        builder = Builder()
        number = builder.int()
        builder.struct("list", 16, [("next", builder.add(bg.PTR, third=3), 0), ("b", number, 64)])
        ours = self.write("a.ko.btf", builder.data())
        status, text = self.run_tool(btfcmp, ours, theirs)
        self.assertEqual(status, 1)
        self.assertIn("unexplained 2", text.splitlines()[-1])
        report = self.write("r.tsv", "file\tfunction\tdecision\treason\nx/a.ko\tf\tdropped\tno reason at all: 1\n")
        status, text = self.run_tool(btfcmp, "--explain", report, ours, theirs)
        self.assertEqual(status, 0, text)
        self.assertIn("func_missing: 1, explained 1 (1 no reason at all)", text)

    def test_differing_function(self):
        theirs, ours = Builder(), Builder()
        theirs.func("f", theirs.int(), [])
        ours.func("f", ours.int("long", 8), [])
        paths = self.write("ours.btf", ours.data()), self.write("theirs.btf", theirs.data())
        status, text = self.run_tool(btfcmp, "--fail-on", "func_differ_nominal", *paths)
        self.assertEqual(status, 1)
        self.assertIn("func_differ_nominal: 1, UNEXPLAINED 1", text)
        known = self.write("known.tsv", "# comment\nours*\tfunc_differ_nominal\tf\tthey are wrong\n")
        self.assertEqual(self.run_tool(btfcmp, "--fail-on", "func_differ_nominal", "--known", known, *paths)[0], 0)

    def test_a_second_function_of_ours_is_no_difference(self):
        theirs, ours = Builder(), Builder()
        theirs.func("f", theirs.int(), [])
        ours.func("f", ours.int(), [])
        ours.func("f", 0, [])
        status, text = self.run_tool(btfcmp, self.write("o.btf", ours.data()), self.write("t.btf", theirs.data()))
        self.assertEqual(status, 0, text)
        self.assertIn("func_more_nominal: 1", text)

    def test_pairs_and_what_has_no_partner(self):
        below = plain(Builder())
        base = self.write("vmlinux.btf", below.data())
        split = Builder(below)
        split.func("g", 1, [])
        for path in ("a/x.ko.btf", "b/x.ko.btf"):
            self.write(path, split.data())
        folders = os.path.join(self.folder.name, "a"), os.path.join(self.folder.name, "b")
        self.assertEqual(self.run_tool(btfcmp, "--pairs", "--base", base, *folders)[0], 0)
        self.write("b/y.ko.btf", split.data())
        status, text = self.run_tool(btfcmp, "--pairs", "--base", base, *folders)
        self.assertEqual(status, 1)
        self.assertIn("only in reference: 1 files: y.ko", text)

    def test_minimal(self):
        below = plain(Builder())
        base = self.write("vmlinux.btf", below.data())
        good, bad = Builder(below), Builder(below)
        good.func("f", 1, [("x", 3)])
        bad.int()
        good, bad = self.write("good.btf", good.data()), self.write("bad.btf", bad.data())
        self.assertEqual(self.run_tool(btfmin, "--base", base, good)[0], 0)
        self.assertEqual(self.run_tool(btfmin, "--base", base, "--max-bytes", "10", good)[0], 1)
        status, text = self.run_tool(btfmin, "--base", base, "--struct", "list", good, bad)
        self.assertEqual(status, 1)
        self.assertIn("in base 1, repeated 0, copies of list 0", text.splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
