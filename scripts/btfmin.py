#!/usr/bin/env python3
"""How far from minimal are many split BTF files?

    btfmin.py [--base VMLINUX] [options] FILE_OR_FOLDER...      (run it through scripts/python.sh: needs numpy)

Files and the base are ELF files with .BTF or raw BTF. A type is redundant when its equal (the whole type graph) stands in the
base, or earlier in the same file; FUNC, VAR, DATASEC and DECL_TAG are never counted. Prints the worst ten, totals in
the last line.
Exit status: 0, 1 if anything is redundant or over a limit, 2 for files that cannot be read.
"""

import argparse
import json
import os
import sys
from collections import Counter

import btfgraph as bg
from btfgraph import np


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER")
    parser.add_argument("--base", help="none: only what is repeated in a file is redundant")
    parser.add_argument("--struct", default="task_struct", metavar="NAME", help="count copies of this struct (default: %(default)s)")
    parser.add_argument("--max-bytes", type=int, help="fail if all files together are larger")
    parser.add_argument("--savings", action="store_true",
                        help="also say what dropping unreachable anonymous types and sharing string suffixes would save")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    args = parser.parse_args()

    strings = bg.Strings()
    try:
        paths = bg.find_files(args.paths)
        base = bg.load(args.base, strings) if args.base else None
    except bg.BtfError as error:
        print(f"btfmin: {error}", file=sys.stderr)
        return 2
    files, unreadable = [], []
    for name, path in paths.items():
        try:
            files.append((name, bg.load(path, strings, base)))
        except bg.BtfError as error:
            unreadable.append(str(error))
            print(f"btfmin: skipped: {error}", file=sys.stderr)

    graph = bg.Graph([base] * (base is not None) + [file for _, file in files])
    colour = graph.colours()
    in_base = bg.base_table(graph, base, colour)
    wanted = strings.number.get(args.struct.encode())
    rows, kinds, examples = [], Counter(), []
    for name, file in files:
        base_has, repeated = bg.redundant(graph, file, colour, in_base)
        bad = base_has | repeated
        kinds.update(bg.KINDS[kind] for kind in file.kind[bad].tolist())
        for row in np.flatnonzero(bad)[:1].tolist():
            examples.append(f"{name}: type {file.start + row}, {file.describe(row)}, {'in base' if base_has[row] else 'repeated'}")
        figures = {
            "file": name, "bytes": file.size, "types": len(file), "in_base": int(base_has.sum()), "repeated": int(repeated.sum()),
            "copies": int(((file.kind == bg.STRUCT) & (file.name == wanted)).sum()) if wanted is not None else 0,
        }
        if args.savings:
            figures.update(savings(file))
        rows.append(figures)

    total = {key: sum(row[key] for row in rows) for key in (rows[0] if rows else {}) if key != "file"}
    total = {"files": len(rows), **total}
    bad = total.get("in_base", 0) + total.get("repeated", 0)
    over = args.max_bytes is not None and total.get("bytes", 0) > args.max_bytes
    if args.savings and rows:
        print(f"could still be saved: {total['unreachable_bytes']} bytes of {total['unreachable_types']} anonymous types that no name "
              f"reaches, {total['suffix_bytes']} bytes of strings that end others of the same file")
    if over:
        print(f"more than the {args.max_bytes} bytes allowed")
    if bad:
        print("redundant by kind:", dict(kinds.most_common()))
        for row in sorted(rows, key=lambda row: -row["in_base"] - row["repeated"])[:10]:
            print(f"  {row['file']}: {row['types']} types, {row['bytes']} bytes, {row['in_base']} in base, {row['repeated']} repeated")
        print("first of each file:", *examples[:10], sep="\n  ")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({"base": args.base, "total": total, "kinds": dict(kinds), "unreadable": unreadable, "files": rows}, out, indent=1)
    print(f"files {len(rows)}, bytes {total.get('bytes', 0)}, types {total.get('types', 0)}, in base {total.get('in_base', 0)}, "
          f"repeated {total.get('repeated', 0)}, copies of {args.struct} {total.get('copies', 0)} (refinement rounds {graph.rounds})")
    if unreadable or not rows:
        return 2
    return 1 if bad or over else 0


def savings(file):
    """What two optional reductions would gain in one file: types without a name over them, strings inside others."""
    named = (file.name != 0) & (file.kind != bg.TYPE_TAG)
    reached = named | bg.kinds_mask(bg.DATASEC, bg.DECL_TAG, bg.ENUM, bg.ENUM64)[file.kind]
    inner = file.edge_to >= file.start
    source, target = file.edge_from[inner], file.edge_to[inner] - file.start
    while True:
        fresh = target[reached[source] & ~reached[target]]
        if not len(fresh):
            break
        reached[fresh] = True
    table = sorted(text[::-1] for text in set(file.string_bytes.split(b"\0")) if text)
    suffix = sum(len(text) + 1 for text, after in zip(table, table[1:]) if after.startswith(text))
    return {"unreachable_types": int((~reached).sum()), "unreachable_bytes": int(4 * file.words[~reached].sum()), "suffix_bytes": suffix}


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUTF8", "1")
    sys.exit(main())
