#!/usr/bin/env python3
"""Writes a program as large kernels are: units that share headers, whose types are many and refer to each other.

    kernel_like.py FOLDER [UNITS [HEADERS]]

Each header has structs, unions, enums, typedefs and types of functions, and a struct that leads to all of them; headers use those before
them. A unit includes most headers, has a few types of its own, among them a struct that another unit has too, with other members, and
functions, most of them static, that call those of the next unit. The same every time.
"""
import random
import sys
from pathlib import Path

TYPES = 60  # per header
FUNCTIONS = 12  # per unit
KEPT = "__attribute__((noinline, used))"  # whatever is known of the whole program


def header(number, rng):
    lines = ["#pragma once"]
    if number:
        lines.append(f'#include "h{rng.randrange(number)}.h"')
    lines += [f"enum e{number} {{ " + ", ".join(f"E{number}_{i} = {i * 3}" for i in range(8)) + " };",
              f"typedef unsigned long w{number}_t;",
              f"typedef int (*call{number}_t)(struct s{number}_0 *, w{number}_t, enum e{number});"]
    for i in range(TYPES):
        other = f"struct s{number}_{rng.randrange(TYPES)} *other;"
        before = f"struct s{rng.randrange(number)}_0 *before;" if number else "void *before;"
        inside = f"struct s{number}_{i - 1} inside;" if i % 4 == 1 else f"w{number}_t words[{1 + i % 7}];"
        lines.append(f"struct s{number}_{i} {{ int id; {other} {before} {inside} union {{ long l; char c[8]; enum e{number} e; }}; "
                     f"call{number}_t call; unsigned flag : 3, rest : 29; const char *name_of_{i}; }};")
    leads = " ".join(f"struct s{number}_{i} *p{i};" for i in range(TYPES))
    lines.append(f"struct root{number} {{ {leads} }};")
    return "\n".join(lines) + "\n"


def unit(number, units, headers, rng):
    used = sorted(rng.sample(range(headers), max(1, headers * 3 // 4)))
    lines = [f'#include "h{h}.h"' for h in used]
    lines.append(f"struct conflict {{ int a[{1 + number % 3}]; }};")
    roots = " ".join(f"struct root{h} *r{h};" for h in used)
    lines.append(f"struct own{number} {{ struct conflict c; {roots} }};")
    lines.append(f"struct own{number} own_{number}[2];")
    lines.append(f"extern int f{(number + 1) % units}_0(void *, int);")
    for i in range(FUNCTIONS):
        h = rng.choice(used)
        static = f"{KEPT} static" if i else KEPT
        kind = "void" if i == 0 else f"struct root{h}"
        body = f"return ((struct own{number} *)p)->c.a[0] + v" if i == 0 else f"return p->p{i}->id + v + own_{number}[v & 1].c.a[0]"
        lines.append(f"{static} int f{number}_{i}({kind} *p, int v) {{ {body}; }}")
    calls = " + ".join(f"f{number}_{i}((void *)p, v + {i})" for i in range(FUNCTIONS))
    lines.append(f"{KEPT} int all_{number}(void *p, int v) {{ return v ? {calls} + f{(number + 1) % units}_0(p, v) : 0; }}")
    return "\n".join(lines) + "\n"


def main():
    folder, units, headers = Path(sys.argv[1]), int((sys.argv[2:] or [80])[0]), int((sys.argv[3:] or [50])[0])
    rng = random.Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(headers):
        (folder / f"h{number}.h").write_text(header(number, rng))
    for number in range(units):
        (folder / f"u{number}.c").write_text(unit(number, units, headers, rng))
    calls = "\n".join(f"extern int all_{n}(void *, int);" for n in range(units))
    sums = " + ".join(f"all_{n}(p, v)" for n in range(units))
    (folder / "main.c").write_text(f"{calls}\nint entry(void *p, int v) {{ return {sums}; }}\n")


main()
