#!/bin/bash
# Holds `btfgen dump` against bpftool, DWARF and compilers:   test-dump.sh [KERNEL...]   (default: 6.1 6.12 7.3)
#   - raw: vmlinux and modules from the largest to the smallest, the same bytes as bpftool's; JSON: equal after parsing;
#   - C: the header of each vmlinux compiles without a warning, and sizes, offsets and bit-fields of all structs, unions and enums are those
#     that DWARF has, as gcc and clang for BPF lay them out: asserted in C, and read back from the DWARF of what was compiled (LAYOUTS). Types that
#     DWARF has several of under one name are left out;
#   - C headers of modules compile; what BPF programs read by such a header is found by libbpf in the kernel's BTF;
#   - a header with a mistake in it is noticed.
# Prints a line per check and `N passed, N failed`. Environment: BTFGEN, LAYOUTS (default: as `make test-dump` builds them), MODULES (of each
# kernel; 34), BTFGEN_WORK.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || read -ra kernels <<<"$(keys "$kernel_table")"
[ $# -eq 0 ] || kernels=("$@")
btfgen=${BTFGEN:-$root/target/release/btfgen}
layouts=${LAYOUTS:-$root/target/release/examples/layouts}
for program in "$btfgen" "$layouts"; do [ -x "$program" ] || die "$program is not there: make test-dump builds it"; done
work=${BTFGEN_WORK:-$cache/work/dump}
"$scripts/get-reference-tools.sh" 1.32
bpftool=$(tools_dir 1.32)/bin/bpftool
for kernel in "${kernels[@]}"; do "$scripts/get-kernel.sh" "$kernel"; done
lock "$work.lock"
rm -rf "$work"
logs=$work/logs
mkdir -p "$logs"

raw() { # FILE [BASE]
    "$bpftool" ${2:+-B "$2"} btf dump file "$1" >"$work/theirs" && "$btfgen" dump ${2:+-B "$2"} "$1" >"$work/ours" && [ -s "$work/ours" ] &&
        cmp "$work/theirs" "$work/ours"
}
json() { # FILE [BASE]
    "$bpftool" -j ${2:+-B "$2"} btf dump file "$1" >"$work/theirs" && "$btfgen" dump -f json ${2:+-B "$2"} "$1" >"$work/ours" || return 1
    python3 - "$work/theirs" "$work/ours" <<'PYTHON'
import json, sys
theirs, ours = (json.load(open(name)) for name in sys.argv[1:])
assert theirs["types"], "no types"
assert theirs == ours, next((pair for pair in zip(theirs["types"], ours["types"]) if pair[0] != pair[1]), "not as many types")
PYTHON
}
vmlinux_raw() { raw "$vmlinux" && echo "$(wc -l <"$work/ours") lines"; }
vmlinux_json() { json "$vmlinux" && echo "$(stat -c %s "$work/ours") bytes"; }
modules_as() { # raw|json
    local file
    for file in "${modules[@]}"; do "$1" "$file" "$vmlinux" || { echo "$file"; return 1; }; done
    echo "${#modules[@]} modules"
}

# gcc and clang, with all types in the DWARF. A shared library, so that gcc's DWARF is relocated; that of BPF needs none.
gcc_with_dwarf() { gcc -m64 -g -fno-eliminate-unused-debug-types -nostdlib -shared -fPIC -Wall -Werror "$1" -o "$2"; }
bpf_with_dwarf() { clang -target bpf -g -O2 -fno-eliminate-unused-debug-types -Wall -Werror -c "$1" -o "$2"; }
header() {
    "$btfgen" dump -f c "$vmlinux" >"$work/vmlinux.h" || return 1
    printf '#include "vmlinux.h"\n' >"$work/plain.c"
    echo "$(stat -c %s "$work/vmlinux.h") bytes"
}
compiles() { # COMPILER-FUNCTION
    "$1" "$work/plain.c" "$work/$1.o" && echo "no warning"
}
other_compilers() { # C of 2024; clang for the machine; C before C11's anonymous members became standard, with GNU's
    local options
    for options in "gcc -std=gnu2x" "gcc -std=gnu89" "clang -m64" "clang -target bpf -std=gnu2x"; do
        # shellcheck disable=SC2086
        $options -Wall -Werror -c "$work/plain.c" -o "$work/other.o" || { echo "$options"; return 1; }
    done
    echo "gcc and clang, C89 to C23"
}
dwarf() { "$layouts" "$vmlinux" 2>"$work/count" >"$work/dwarf" && cut -f -5 "$work/dwarf" | LC_ALL=C sort >"$work/want" && [ "$(wc -l <"$work/want")" -gt 10000 ] && cat "$work/count"; }
asserted() { # COMMAND...: sizes and offsets, in C
    {
        cat "$work/plain.c"
        awk -F '\t' '$3 == "-" { printf "_Static_assert(sizeof(%s %s) == %s, \"\");\n", $1, $2, $4 }
            $3 != "-" && $6 == 0 { printf "_Static_assert(__builtin_offsetof(%s %s, %s) * 8 == %s, \"\");\n", $1, $2, $3, $4 }' "$work/dwarf"
    } >"$work/assert.c"
    "$@" -c "$work/assert.c" -o "$work/assert.o" && echo "$(grep -c _Static_assert "$work/assert.c") assertions"
}
read_back() { # COMPILER-FUNCTION: the same and bit-fields, from the DWARF that it made
    "$layouts" "$work/$1.o" 2>/dev/null | cut -f -5 | LC_ALL=C sort >"$work/got" || return 1
    LC_ALL=C comm -23 "$work/want" "$work/got" >"$work/missing"
    head -n 20 "$work/missing"
    awk -F '\t' '$5 > 0' "$work/want" >"$work/bits"
    echo "$(wc -l <"$work/want") sizes and places, $(wc -l <"$work/bits") of them bit-fields; $(wc -l <"$work/missing") differ"
    [ ! -s "$work/missing" ]
}
# No `packed`, no `aligned`, no unnamed bit-fields, one with a name that is wider: each must be noticed, by the assertions or by what is read back.
mistakes() {
    local change caught=0
    cp "$work/vmlinux.h" "$work/right.h"
    for change in 's/ __attribute__((packed))//' 's/ __attribute__((aligned([0-9]*)))//' '/^\t*\(char\|short\|int\|long\): [0-9]*;$/d' \
        '0,/^\tu32 [a-z_]*: 3;$/s/3;/4;/'; do
        sed "$change" "$work/right.h" >"$work/vmlinux.h"
        ! cmp -s "$work/right.h" "$work/vmlinux.h" || { echo "nothing to change: $change"; return 1; }
        if asserted gcc -m64 && gcc_with_dwarf "$work/plain.c" "$work/gcc_with_dwarf.o" && read_back gcc_with_dwarf; then
            echo "not noticed: $change"
            return 1
        fi
        caught=$((caught + 1))
    done
    mv "$work/right.h" "$work/vmlinux.h"
    echo "$caught of $caught noticed"
}
headers_of_modules() {
    local file n=0
    for file in "${modules[@]}"; do
        [ $((n++ % 6)) -eq 0 ] || continue
        "$btfgen" dump -f c -B "$vmlinux" "$file" >"$work/module.h" || { echo "$file"; return 1; }
        for compiler in "gcc -m64" "clang -target bpf"; do
            # shellcheck disable=SC2086
            $compiler -Wall -Werror -include "$work/module.h" -x c -c /dev/null -o "$work/module.o" || { echo "$file"; return 1; }
        done
    done
    echo "$(((n + 5) / 6)) modules"
}
some_names() { # a header of a few types: only what they need
    "$btfgen" dump -f c "$vmlinux" task_struct sk_buff bpf_prog >"$work/vmlinux.h" && gcc_with_dwarf "$work/plain.c" "$work/some.o" &&
        bpf_with_dwarf "$work/plain.c" "$work/some.bpf.o" || return 1
    "$layouts" "$work/some.o" 2>/dev/null | cut -f -5 | LC_ALL=C sort >"$work/got" || return 1
    # What there is has the places that DWARF has.
    awk -F '\t' 'NR == FNR { want[$0]; named[$2]; next } $2 in named && !($0 in want) { print; wrong = 1 } END { exit wrong }' "$work/want" "$work/got" &&
        grep -q "^struct	task_struct	pid	" "$work/got" && echo "$(wc -l <"$work/vmlinux.h") lines" || return 1
    header >/dev/null
}
co_re() { # libbpf finds fields, bit-fields and enum values of a program in the kernel's BTF
    clang -target bpf -g -O2 -Wall -Werror -I "$work" -c "$root/tests/dump/fields.bpf.c" -o "$work/fields.o" || return 1
    "$bpftool" gen min_core_btf "$vmlinux" "$work/min.btf" "$work/fields.o" || return 1
    "$btfgen" dump "$work/min.btf" >"$work/min" || return 1
    local field
    for field in "STRUCT 'task_struct'" "'tgid'" "'sched_reset_on_fork'" "STRUCT 'sk_buff'" "'pkt_type'" "'counter'"; do
        grep -q "$field" "$work/min" || { echo "no $field"; return 1; }
    done
    echo "$(grep -c '^\[' "$work/min") types"
}

for kernel in "${kernels[@]}"; do
    vmlinux=$(kernel_dir "$kernel")/vmlinux
    mapfile -t modules < <(find -L "$(kernel_dir "$kernel")/modules" -name '*.ko' -printf '%s %p\n' | sort -rn | cut -d ' ' -f 2- |
        awk -v want="${MODULES:-34}" '{ line[NR] = $0 } END { for (n = 0; n < want; n++) print line[1 + int(n * (NR - 1) / (want - 1))] }')
    check_prefix="$kernel: "
    check "raw, vmlinux" vmlinux_raw
    check "raw, modules" modules_as raw
    check "JSON, vmlinux" vmlinux_json
    check "JSON, modules" modules_as json
    check "C" header
    check "C, gcc" compiles gcc_with_dwarf
    check "C, clang for BPF" compiles bpf_with_dwarf
    check "C, other compilers and standards" other_compilers
    check "DWARF" dwarf
    check "sizes and offsets, gcc" asserted gcc -m64
    check "sizes and offsets, clang for BPF" asserted clang -target bpf
    check "and bit-fields, gcc" read_back gcc_with_dwarf
    check "and bit-fields, clang for BPF" read_back bpf_with_dwarf
    check "mistakes" mistakes
    check "C, some types" some_names
    check "C, modules" headers_of_modules
    check "BPF programs" co_re
done
checked
