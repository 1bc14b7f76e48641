#!/usr/bin/env python3
"""Compares encodings of the same ELF files as type graphs, independently of ids, order and duplicates.

    btfcmp.py [--base BASE] [options] OURS REFERENCE
    btfcmp.py [--base BASE] [options] --pairs OUR_FOLDER REFERENCE_FOLDER      files paired by name, one run for all

(Run it through scripts/python.sh: needs numpy.) Files and bases are ELF files with .BTF or raw BTF. Reported, per file and in
all: FUNCs (missing, extra, with a prototype that is not ours) by name, named types, VARs, DATASECs and DECL_TAGs by their
type graphs. What ours takes from its base is there, of course. Two equalities: `strict` the whole graph; `nominal` a named
struct, union, enum or forward declaration behind a reference counts by its name alone.

Explained differences. --explain FILE is what `btfgen --functions-report FILE` wrote (columns file, function, decision kept or
dropped, reason; several FILEs may be given): a missing function with a row `dropped` is explained by its reason, one that has
another prototype by the reason of its row `kept`, a DECL_TAG by its function. --known FILE lists what else is known
(columns pattern of the file name, category, pattern of the item, reason; a line that starts with # is a comment).

The last line sums up (nominal equality). Exit status: 1 if anything of --fail-on is there that is not explained, or a file has no partner; 2 for files that cannot be
read; else 0.
"""

import argparse
import fnmatch
import json
import os
import sys
from collections import Counter, defaultdict

import btfgraph as bg
from btfgraph import np

NAMED = bg.kinds_mask(bg.STRUCT, bg.UNION, bg.ENUM, bg.ENUM64, bg.TYPEDEF, bg.INT, bg.FLOAT)
BY_GRAPH = (("type", NAMED), ("var", bg.kinds_mask(bg.VAR)), ("datasec", bg.kinds_mask(bg.DATASEC)), ("decl_tag", bg.kinds_mask(bg.DECL_TAG)))
FAIL_ON = "func_missing,func_differ_nominal,type_missing_nominal,var_missing_nominal,datasec_missing_nominal,decl_tag_missing_nominal"


class Explanations:
    """Why something differs: from reports of functions and from the list of known differences."""

    def __init__(self, reports, known):
        self.functions = defaultdict(lambda: defaultdict(list))
        self.known = []
        for path in reports:
            for where, fields in _tsv(path):
                if len(fields) < 3:
                    raise bg.BtfError(f"{where}: four columns expected: file, function, decision, reason")
                file, function, decision = fields[:3]
                if (file, function, decision) == ("file", "function", "decision"):
                    continue
                reason = fields[3] if len(fields) > 3 else ""
                self.functions[os.path.basename(file)][function].append((decision, reason))
        for path in known:
            for where, fields in _tsv(path):
                if len(fields) != 4:
                    raise bg.BtfError(f"{where}: four columns expected: file, category, item, reason")
                self.known.append(fields)

    def _rows(self, file, function):
        return self.functions.get(file, {}).get(function, ())

    def find(self, file, category, item, function=None):
        """The reason, or None. `function`: the FUNC that the item hangs on."""
        if function is not None:
            decision = "kept" if category.startswith("func_differ") else "dropped"
            for row_decision, reason in self._rows(file, function):
                if row_decision == decision and reason:
                    return reason
        for file_pattern, known_category, item_pattern, reason in self.known:
            if known_category == category and fnmatch.fnmatchcase(file, file_pattern) and fnmatch.fnmatchcase(item, item_pattern):
                return reason
        return None


def _tsv(path):
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\n")
                if line and not line.startswith("#"):
                    yield f"{path}:{number}", line.split("\t")
    except OSError as error:
        raise bg.BtfError(f"{path}: {error}") from error


class Side:
    """One colouring of one file, with what the comparison asks of it."""

    def __init__(self, graph, file, colour, in_base):
        self.file, self.colour, self.in_base = file, colour[graph.rows(file)], in_base

    def functions(self):
        """Name to the colours of the FUNCs of that name."""
        rows = np.flatnonzero(self.file.kind == bg.FUNC)
        found = defaultdict(set)
        for name, colour in zip(self.file.name[rows].tolist(), self.colour[rows].tolist()):
            found[name].add(colour)
        return found

    def lacking(self, mask, other):
        """Rows of the kinds of `mask`, one of each colour, that neither `other` nor its base has."""
        rows = np.flatnonzero(mask[self.file.kind])
        rows = rows[~other.in_base[self.colour[rows]]]
        rows = rows[~np.isin(self.colour[rows], other.colour[mask[other.file.kind]])]
        return rows[np.unique(self.colour[rows], return_index=True)[1]]


def compare(name, ours, theirs, explanations):
    """`ours`, `theirs`: mode -> Side. Returns the record of one pair: category -> list of [item, reason or None]."""
    record = {"file": name, "ours": figures(ours["strict"]), "reference": figures(theirs["strict"])}
    strings = ours["strict"].file.strings

    def entry(category, item, function=None):
        record.setdefault(category, []).append([item, explanations.find(name, category, item, function)])

    functions = {mode: (ours[mode].functions(), theirs[mode].functions()) for mode in ("strict", "nominal")}
    mine, reference = functions["strict"]
    for category, names in (("func_missing", reference.keys() - mine.keys()), ("func_extra", mine.keys() - reference.keys())):
        for text in sorted(strings[number] for number in names):
            entry(category, text, text)
    both = mine.keys() & reference.keys()
    record["func_common"] = len(both)
    for mode, (mine, reference) in functions.items():
        for text, number in sorted((strings[number], number) for number in both if mine[number] != reference[number]):
            # Ours may have a second function of the name that the reference lost; what counts is that none of theirs is gone.
            entry(f"func_more_{mode}" if reference[number] < mine[number] else f"func_differ_{mode}", text, text)
    for label, mask in BY_GRAPH:
        for mode in ("strict", "nominal"):
            for kind, have, lack in (("missing", theirs[mode], ours[mode]), ("extra", ours[mode], theirs[mode])):
                rows = have.lacking(mask, lack).tolist()
                for item, row in sorted((have.file.describe(row), row) for row in rows):
                    entry(f"{label}_{kind}_{mode}", item, tagged_function(have.file, row) if label == "decl_tag" else None)
    return record


def tagged_function(file, row):
    """Name of the FUNC that a DECL_TAG belongs to, None if it belongs to something else."""
    target = int(file.third[row])
    while file is not None and target < file.start:
        file = file.base
    if file is None or target == 0 or file.kind[target - file.start] != bg.FUNC:
        return None
    return file.strings[int(file.name[target - file.start])]


def figures(side):
    file = side.file
    counts = np.bincount(file.kind, minlength=20)
    return {"bytes": file.size, "types": len(file), "kinds": {bg.KINDS[kind]: int(counts[kind]) for kind in np.flatnonzero(counts).tolist()},
            "in_base": side.redundant[0], "repeated": side.redundant[1]}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("ours")
    parser.add_argument("reference")
    parser.add_argument("--base", help="base of ours, and of the reference unless --reference-base is given")
    parser.add_argument("--reference-base", help="base of the reference")
    parser.add_argument("--pairs", action="store_true", help="OURS and REFERENCE are folders of .btf or .ko files")
    parser.add_argument("--explain", action="append", default=[], metavar="FILE", help="functions report of btfgen")
    parser.add_argument("--known", action="append", default=[], metavar="FILE", help="list of known differences")
    parser.add_argument("--fail-on", default=FAIL_ON, metavar="LIST", help="categories that must be empty or explained (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write everything there")
    parser.add_argument("-v", "--verbose", action="store_true", help="list all items instead of the first few")
    args = parser.parse_args()
    try:
        return run(args)
    except bg.BtfError as error:
        print(f"btfcmp: {error}", file=sys.stderr)
        return 2


def run(args):
    explanations = Explanations(args.explain, args.known)
    strings, bases = bg.Strings(), {}

    def base_of(path):
        if path is None:
            return None
        key = os.path.realpath(path)
        if key not in bases:
            bases[key] = bg.load(path, strings)
        return bases[key]

    base = base_of(args.base)
    reference_base = base_of(args.reference_base) if args.reference_base else base
    if args.pairs:
        ours, theirs = bg.find_files([args.ours]), bg.find_files([args.reference])
    else:
        name = os.path.basename(args.ours)
        name = name[:-4] if name.endswith(".btf") else name
        if len(explanations.functions) == 1:
            name = next(iter(explanations.functions))
        ours, theirs = {name: args.ours}, {name: args.reference}
    alone = {"ours": sorted(ours.keys() - theirs.keys()), "reference": sorted(theirs.keys() - ours.keys())}
    names = sorted(ours.keys() & theirs.keys())
    if not names:
        raise bg.BtfError(f"no file of {args.ours} has a partner in {args.reference}")
    pairs = [(name, bg.load(ours[name], strings, base), bg.load(theirs[name], strings, reference_base)) for name in names]

    graph = bg.Graph(list(bases.values()) + [file for _, mine, reference in pairs for file in (mine, reference)])
    sides = defaultdict(dict)
    for mode in ("strict", "nominal"):
        colour = graph.colours(nominal=mode == "nominal")
        tables = {id(b): bg.base_table(graph, b, colour) for b in (base, reference_base)}
        for name, mine, reference in pairs:
            for which, file in (("ours", mine), ("theirs", reference)):
                side = Side(graph, file, colour, tables[id(file.base)])
                if mode == "strict":
                    side.redundant = [int(rows.sum()) for rows in bg.redundant(graph, file, colour, side.in_base)]
                sides[name, which][mode] = side
    records = [compare(name, sides[name, "ours"], sides[name, "theirs"], explanations) for name in names]
    return report(args, records, alone)


def report(args, records, alone):
    fail_on = [category for category in args.fail_on.split(",") if category]
    items, reasons = defaultdict(list), defaultdict(Counter)
    for record in records:
        for category, entries in record.items():
            if isinstance(entries, list):
                for item, reason in entries:
                    items[category].append((record["file"], item, reason))
                    if reason is not None:
                        reasons[category][reason.split(":")[0]] += 1
    for side in ("ours", "reference"):
        total = {key: sum(record[side][key] for record in records) for key in ("bytes", "types", "in_base", "repeated")}
        print(f"{side}: {len(records)} files, {total['bytes']} bytes, {total['types']} types, {total['in_base']} in base, {total['repeated']} repeated")
    for side, names in alone.items():
        if names:
            print(f"only in {side}: {len(names)} files: {shorten(names, args.verbose)}")
    unexplained_total = 0
    for category in sorted(items, key=lambda category: (category not in fail_on, category)):
        unexplained = [(file, item) for file, item, reason in items[category] if reason is None]
        line = f"{category}: {len(items[category])}"
        if reasons[category]:
            line += ", explained " + str(len(items[category]) - len(unexplained))
            line += " (" + ", ".join(f"{count} {reason}" for reason, count in reasons[category].most_common()) + ")"
        if category in fail_on:
            unexplained_total += len(unexplained)
            if unexplained:
                line += f", UNEXPLAINED {len(unexplained)}"
        print(line)
        if unexplained:
            texts = [item if len(records) == 1 else f"{file}: {item}" for file, item in unexplained]
            print("    " + shorten(texts, args.verbose))
    common = sum(record["func_common"] for record in records)
    count = {category: len(found) for category, found in items.items()}
    explained = sum(sum(reasons[category].values()) for category in fail_on)
    alone_count = sum(map(len, alone.values()))
    print(f"files {len(records)}{f' ({alone_count} WITHOUT PARTNER)' if alone_count else ''}; functions same {common - count.get('func_differ_nominal', 0)}, "
          + ", ".join(f"{what} {count.get(f'func_{category}', 0)}" for what, category in (("missing", "missing"), ("differing", "differ_nominal"), ("extra", "extra")))
          + "; missing " + ", ".join(f"{label}s {count.get(f'{label}_missing_nominal', 0)}" for label, _ in BY_GRAPH)
          + f"; explained {explained}, unexplained {unexplained_total}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({"unexplained": unexplained_total, "alone": alone, "totals": {category: len(found) for category, found in sorted(items.items())},
                       "files": records}, out, indent=1)
    return 1 if unexplained_total or alone["ours"] or alone["reference"] else 0


def shorten(texts, verbose, first=6):
    if verbose or len(texts) <= first:
        return ", ".join(texts)
    return ", ".join(texts[:first]) + f", ... ({len(texts) - first} more)"


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUTF8", "1")
    sys.exit(main())
