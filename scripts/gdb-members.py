"""Run by gdb (`gdb -batch -x gdb-members.py VMLINUX`, with TYPES in the environment): what DWARF says of structs, as JSON on standard output.

Per struct of TYPES its size and members: name (null if anonymous), type as gdb spells it or, of an anonymous struct or union, its own members, and the
size of a bit-field.
"""

import json
import os

import gdb


def members(composite):
    found = []
    for field in composite.fields():
        anonymous = field.type.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and field.type.tag is None
        of = {"size": field.type.sizeof, "members": members(field.type)} if anonymous else str(field.type)
        found.append([field.name or None, of, field.bitsize])
    return found


structs = {}
for name in os.environ["TYPES"].split():
    struct = gdb.lookup_type("struct " + name)
    structs[name] = {"size": struct.sizeof, "members": members(struct)}
print(json.dumps(structs))
