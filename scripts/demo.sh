#!/bin/bash
# `make demo`: btfgen at work on a small stand-in kernel and a module, both compiled from kernel-fixtures/. Downloads nothing but
# what scripts/setup.sh has to install and cargo's dependencies.   demo.sh [BUILD_FOLDER]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

build=${1:-$root/target/demo}
btfgen=${BTFGEN:-$root/target/release/btfgen}
step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n%s\n' "$*"; }
run() { printf '$ %s\n' "${*//"$root/"/}"; "$@"; }
bytes() { stat -c %s "$1"; }
types() { grep -c '^\[' "$1"; }

step "1. A stand-in kernel and modules, with debug information"
mkdir -p "$build"
build=$(cd "$build" && pwd)
run make --no-print-directory -C "$root/kernel-fixtures" BUILD="$build"
[ -e "$build/vmlinux" ] || die "kernel-fixtures made no $build/vmlinux"
modules=("$build"/*.ko)
[ -e "${modules[0]}" ] || die "kernel-fixtures made no $build/*.ko"

step "2. The kernel's types, encoded as BTF into vmlinux"
run "$btfgen" -v "$build/vmlinux"

step "3. The modules' types, on top of the kernel's"
run "$btfgen" -v --btf_base "$build/vmlinux" "${modules[@]}"

for module in "${modules[@]}"; do
    name=$(basename "$module")
    step "4. What $name adds to the kernel's types (names and ids below those of the kernel are the kernel's)"
    run "$btfgen" dump --btf_base "$build/vmlinux" "$module" | tee "$build/$name.txt"

    step "5. What the base saved"
    "$btfgen" --btf_base "$build/vmlinux" --btf_encode_detached="$build/$name.split.btf" "$module"
    "$btfgen" --btf_encode_detached="$build/$name.alone.btf" "$module"
    "$btfgen" dump "$build/$name.alone.btf" >"$build/$name.alone.txt"
    awk -v name="$name" -v a="$(bytes "$build/$name.alone.btf")" -v at="$(types "$build/$name.alone.txt")" \
        -v s="$(bytes "$build/$name.split.btf")" -v st="$(types "$build/$name.txt")" 'BEGIN {
            printf "%-24s %8s %8s\n", name, "types", "bytes"
            printf "  %-22s %8d %8d\n  %-22s %8d %8d\n", "without a base", at, a, "on top of vmlinux", st, s
            printf "  %-22s %7.0f%% %7.0f%%\n", "saved", 100 * (1 - st / at), 100 * (1 - s / a)
        }'
done
