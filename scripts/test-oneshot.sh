#!/bin/bash
# Encodes copies of all modules of a kernel in place, in one step:   test-oneshot.sh
#   - .BTF_ids has the ids that the kernel's own build found, by name;
#   - a second run changes no byte; a module by itself is the same as one among many;
#   - `btfgen check` is content with every module on its base, and with none with a type of its own on another one.
# Prints a line per check and `N passed, N failed`. Needs room for all modules. Environment: KERNEL (7.3), BTFGEN.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-7.3}
btfgen=${BTFGEN:-$root/target/release/btfgen}
"$scripts/get-kernel.sh" "$kernel"
vmlinux=$(kernel_dir "$kernel")/vmlinux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
logs=$work/logs
mkdir "$work/shipped" "$work/ours" "$logs"
find -L "$(kernel_dir "$kernel")/modules" -name '*.ko' -exec cp -t "$work/shipped" {} +
cp "$work/shipped"/*.ko "$work/ours"
encode() {
    "$btfgen" -q --stamp --btf_base "$vmlinux" --modules-dir "$work/ours" || return 1
    echo "$(find "$work/ours" -name '*.ko' | wc -l) modules"
}
sums() { (cd "$work/ours" && sha256sum -- *.ko); }
again() {
    sums >"$work/once"
    encode && sums >"$work/twice" && cmp "$work/once" "$work/twice" && echo "$(wc -l <"$work/once") modules, the same bytes"
}
alone() {
    local file
    for file in "$work/ours"/xfs.ko "$work/ours"/nf_conntrack.ko; do
        "$btfgen" --stamp --btf_base "$vmlinux" -o "$work/alone.ko" "$work/shipped/$(basename "$file")" || return 1
        for section in .BTF .BTF_ids .note.btfgen; do
            objcopy -O binary --set-section-flags "$section=alloc" -j "$section" "$work/alone.ko" "$work/a" 2>/dev/null || : >"$work/a"
            objcopy -O binary --set-section-flags "$section=alloc" -j "$section" "$file" "$work/b" 2>/dev/null || : >"$work/b"
            cmp "$work/a" "$work/b" || return 1
        done
    done
    echo "as among many"
}
belongs() { "$btfgen" check --btf_base "$vmlinux" "$1"/*.ko >"$work/lines" && echo "$(grep -c ": ok: " "$work/lines") modules"; }
other_base() {
    "$btfgen" --btf_encode_detached "$work/other.btf" "$vmlinux" || return 1
    ! "$btfgen" check --btf_base "$work/other.btf" "$work/ours"/*.ko >"$work/lines" || return 1
    ! grep -m 5 ': ok: ' "$work/lines" || return 1
    echo "$(grep -c ': refused: ' "$work/lines") refused"
}
check "all modules in one step" encode
check "ids as in the kernel's own build" "$scripts/python.sh" "$scripts/idscmp.py" --base "$vmlinux" "$work/shipped" "$work/ours"
check "a second time" again
check "one by one" alone
check "they belong to their base" belongs "$work/ours"
check "what others encoded, without a stamp, too" belongs "$work/shipped"
check "and not to another one" other_base
checked
