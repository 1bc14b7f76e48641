#!/bin/bash
# Changes where the DWARF of a kernel is, and looks whether its BTF stays the same:   test-sources.sh
#   - compressed (zlib, zstd), split off into a file of its own: the same bytes, of vmlinux and of a module;
#   - made smaller by dwz: the same types, functions and variables of vmlinux (dwz does not read modules). It puts DIEs into another
#     order, in which types without a name are numbered.
# Prints a line per check and `N passed, N failed`. Needs room for five vmlinux. Environment: KERNEL (7.3), MODULE (xfs), BTFGEN.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-7.3}
btfgen=${BTFGEN:-$root/target/release/btfgen}
need dwz dwz
"$scripts/get-kernel.sh" "$kernel"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -L "$(kernel_dir "$kernel")/vmlinux" "$work/vmlinux"
module=$(find -L "$(kernel_dir "$kernel")/modules" -name "${MODULE:-xfs}.ko" -print -quit)
[ -n "$module" ] || die "there is no module ${MODULE:-xfs} in that kernel"
cp "$module" "$work/module.ko"
cd "$work"
passed=0 failed=0

check() { # check NAME COMMAND...
    local name=$1 verdict=ok
    shift
    "$@" >log 2>&1 || verdict=FAILED
    if [ $verdict = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); tail -n 20 log >&2; fi
    printf '%-6s  %s: %s\n' "$verdict" "$name" "$(tail -n 1 log)"
}
encode() { # encode FILE OUT
    if [[ $1 = *.ko ]]; then set -- "$@" --btf_base vmlinux.btf; fi
    "$btfgen" "${@:3}" --btf_encode_detached "$2" "$1"
}
same() { # same FILE OTHER: BTF of OTHER is that of FILE, byte for byte
    encode "$2" other.btf && cmp "$1.btf" other.btf && echo "$(stat -c %s other.btf) bytes, the same"
}
compressed() { # compressed FILE HOW
    objcopy --compress-debug-sections="$2" "$1" "packed-$1" || return 1
    readelf -SW "packed-$1" | grep -q 'debug_info.* C ' || { echo "it is not compressed"; return 1; }
    same "$1" "packed-$1" || return 1
    rm "packed-$1"
}
split_off() { # split_off FILE
    objcopy --only-keep-debug "$1" "$1.debug" || return 1
    objcopy --strip-debug --add-gnu-debuglink="$1.debug" "$1" "stripped-$1" || return 1
    ! readelf -SW "stripped-$1" | grep -q debug_info || { echo "the DWARF is still there"; return 1; }
    same "$1" "stripped-$1" || return 1
    rm "$1.debug"
    ! encode "stripped-$1" other.btf 2>refused || { echo "encoded without DWARF"; return 1; }
    grep -q "no DWARF debug information.*looked for it at.*$1.debug" refused || { cat refused; return 1; }
    rm "stripped-$1"
    echo "the same bytes; without the debug file it says where it looked"
}
small() {
    dwz -L none -l none -o small vmlinux || return 1
    echo "$(stat -c %s small vmlinux | tr '\n' ' ')bytes"
    encode small small.btf || return 1
    encode small again.btf -j1 || return 1
    cmp small.btf again.btf || return 1
    "$scripts/python.sh" "$scripts/btfcmp.py" vmlinux.btf small.btf && "$scripts/python.sh" "$scripts/btfcmp.py" small.btf vmlinux.btf
}

encode vmlinux vmlinux.btf
encode module.ko module.ko.btf
for file in vmlinux module.ko; do
    check "$file, compressed (zlib)" compressed "$file" zlib
    check "$file, compressed (zstd)" compressed "$file" zstd
    check "$file, debug file" split_off "$file"
done
check "vmlinux, dwz" small
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
