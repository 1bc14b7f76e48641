#!/bin/bash
# Compares `btfgen resolve_btfids` with the kernel's own tool on real modules:   test-resolve.sh [MODULE...|all]   (default: a dozen)
# Each module is encoded by the reference encoder on its kernel's BTF; both tools get the same. Debian's modules are finished ones, so
# their .BTF_ids is put into link-time order first, by btfgen itself.
# Prints a line per check and `N passed, N failed`. Environment: KERNEL (7.3), BTFGEN, BTFGEN_WORK (default: work/resolve in the cache; emptied first).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-7.3}
btfgen=${BTFGEN:-$root/target/release/btfgen}
work=${BTFGEN_WORK:-$cache/work/resolve}
"$scripts/get-kernel.sh" "$kernel"
"$scripts/get-reference-tools.sh" 1.32
"$scripts/get-resolve-btfids.sh" "$kernel"
pahole=$(tools_dir 1.32)/bin/pahole
real=$cache/tools/resolve_btfids-$kernel/resolve_btfids
vmlinux=$(kernel_dir "$kernel")/vmlinux
modules=$(kernel_dir "$kernel")/modules
features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func
[ $# -gt 0 ] || set -- nf_nat nf_conntrack nf_flow_table tcp_dctcp tcp_bbr fou xfrm_interface tls sunrpc nbd watchdog netfs dm-mod
if [ "$*" = all ]; then
    mapfile -t names < <(find -L "$modules" -name '*.ko' -printf '%f\n' | sed 's/\.ko$//' | sort)
    set -- "${names[@]}"
fi

lock "$work.lock"
rm -rf "$work"
logs=$work/logs
mkdir -p "$logs" "$work/ours" "$work/theirs"

# Both tools on the same file; what is left of it is the module with the tool's BTF and ids.
both() {
    local name module file
    for name in "$@"; do
        module=$(find -L "$modules" -name "$name.ko" | head -n 1)
        [ -n "$module" ] || { echo "no module $name in Linux $kernel"; return 1; }
        "$pahole" -J --btf_features=$features --btf_base "$vmlinux" --btf_encode_detached="$work/m.1" "$module" || return 1
        cp "$module" "$work/m.ko"
        "$btfgen" resolve_btfids --link_order --btf_base "$vmlinux" "$work/m.ko" || return 1
        strip -g "$work/m.ko"
        for file in "$work/ours/$name.ko" "$work/theirs/$name.ko"; do cp "$work/m.ko" "$file"; done
        (cd "$work/ours" && "$btfgen" resolve_btfids --btf_base "$vmlinux" --btf ../m.1 "$name.ko") 2>"$work/ours.err" || { cat "$work/ours.err"; return 1; }
        (cd "$work/theirs" && "$real" --btf_base "$vmlinux" --btf ../m.1 "$name.ko") 2>"$work/theirs.err" || { cat "$work/theirs.err"; return 1; }
        diff "$work/ours.err" "$work/theirs.err" || { echo "$name: other messages"; return 1; }
        for file in "$work/ours/$name.ko" "$work/theirs/$name.ko"; do
            objcopy --update-section .BTF="$file.BTF" "$file" || return 1
            [ ! -e "$file.BTF_ids" ] || "$real" --patch_btfids "$file.BTF_ids" "$file" || return 1
            rm -f "$file".BTF*
        done
    done
    echo "$# modules, the same messages"
}
nothing_twice() { "$scripts/python.sh" "$scripts/btfmin.py" --base "$vmlinux" "$work/ours"; }
types() { same_but_functions "$work/ours" "$work/theirs" "$vmlinux"; }
ids() { "$scripts/python.sh" "$scripts/idscmp.py" --base "$vmlinux" "$work/theirs" "$work/ours"; }

check "both tools" both "$@"
check "no type twice, none that the base has" nothing_twice
check "types" types
check "ids" ids
rm -rf "$work/ours" "$work/theirs"
checked
