"""Are the types of a kernel's BTF in the order of their names, as Linux 7.0 and later look them up?

    btforder.py FILE        (through scripts/python.sh: needs numpy)

FILE is an ELF file with .BTF or raw BTF, without a base. Types without a name come first; a byte is unsigned. Exit status: 0, 1 with the
first type that is out of place.
"""

import sys

import btfgraph


def main():
    strings = btfgraph.Strings()
    btf = btfgraph.load(sys.argv[1], strings)
    names = [strings.text[number] for number in btf.name.tolist()]
    for row in range(1, len(names)):
        if names[row - 1] > names[row]:
            print(f"{btf.describe(row - 1)} stands before {btf.describe(row)}")
            return 1
    print(f"{len(names)} types, {sum(1 for name in names if name)} with a name, in order")
    return 0


sys.exit(main())
