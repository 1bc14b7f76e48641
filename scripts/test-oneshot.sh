#!/bin/bash
# Encodes copies of all modules of a kernel in place, in one step:   test-oneshot.sh
#   - .BTF_ids has the ids that the kernel's own build found, by name;
#   - a second run changes no byte; a module by itself is the same as one among many;
#   - types and ids, by name, are those of the chain: btfgen as pahole, then the kernel's own resolve_btfids (a score of modules, vmlinux);
#   - `btfgen check` is content with every module on its base, and with none with a type of its own on another one.
# Prints a line per check and `N passed, N failed`. Needs room for all modules. Environment: KERNEL (7.3), BTFGEN.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-7.3}
btfgen=${BTFGEN:-$root/target/release/btfgen}
"$scripts/get-kernel.sh" "$kernel"
"$scripts/get-resolve-btfids.sh" "$kernel"
real=$cache/tools/resolve_btfids-$kernel/resolve_btfids
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
chain_modules=(nf_nat nf_conntrack nf_flow_table tcp_dctcp tcp_bbr fou xfrm_interface tls sunrpc nbd watchdog netfs dm-mod xfs btrfs nfsd
    openvswitch vsock_loopback af_key wireguard)
features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func
chain() {
    local name file
    mkdir "$work/chain" "$work/own" || return 1
    for name in "${chain_modules[@]}"; do
        file=$work/chain/$name.ko
        cp "$work/shipped/$name.ko" "$file"
        cp "$work/ours/$name.ko" "$work/own"
        "$btfgen" --pahole -J --btf_features=$features --btf_base "$vmlinux" --btf_encode_detached="$work/m.1" "$file" || return 1
        "$btfgen" resolve_btfids --link_order --btf_base "$vmlinux" "$file" || return 1
        "$real" --btf_base "$vmlinux" --btf "$work/m.1" "$file" || return 1
        objcopy --update-section .BTF="$file.BTF" "$file" || return 1
        [ ! -e "$file.BTF_ids" ] || "$real" --patch_btfids "$file.BTF_ids" "$file" || return 1
        rm -f "$file".BTF*
    done
    same_but_functions "$work/own" "$work/chain" "$vmlinux" >"$work/types" || { cat "$work/types"; return 1; }
    "$scripts/python.sh" "$scripts/idscmp.py" --base "$vmlinux" "$work/chain" "$work/own" || return 1
    echo "${#chain_modules[@]} modules, $(tail -n 1 "$work/types")"
}
chain_of_kernel() {
    mkdir "$work/kernel-chain" "$work/kernel-own" || return 1
    "$btfgen" --pahole -J --btf_features=$features --btf_encode_detached="$work/v.1" "$vmlinux" || return 1
    strip -g -o "$work/v" "$vmlinux" && "$btfgen" resolve_btfids --link_order "$work/v" && "$real" --btf "$work/v.1" "$work/v" || return 1
    mv "$work/v.BTF" "$work/kernel-chain/vmlinux.btf"
    "$btfgen" --btf_object "$work/v.o" --btf_ids "$work/v.ids" "$vmlinux" || return 1
    objcopy -O binary --only-section=.BTF "$work/v.o" "$work/kernel-own/vmlinux.btf"
    same_but_functions "$work/kernel-own" "$work/kernel-chain" >"$work/types" || { cat "$work/types"; return 1; }
    cmp "$work/v.ids" "$work/v.BTF_ids" && echo "$(stat -c %s "$work/v.ids") bytes of ids the same, $(tail -n 1 "$work/types")"
}
check "all modules in one step" encode
check "ids as in the kernel's own build" "$scripts/python.sh" "$scripts/idscmp.py" --base "$vmlinux" "$work/shipped" "$work/ours"
check "as the chain with the kernel's resolve_btfids" chain
check "as the chain with the kernel's resolve_btfids: vmlinux" chain_of_kernel
check "a second time" again
check "one by one" alone
check "they belong to their base" belongs "$work/ours"
check "what others encoded, without a stamp, too" belongs "$work/shipped"
check "and not to another one" other_base
checked
