#!/bin/bash
# Compares `btfgen resolve_btfids` with the kernel's own tool on real modules:   test-resolve.sh [MODULE...]   (default: a dozen)
# Each module is encoded by the reference encoder on its kernel's BTF; both tools get the same. Debian's modules are finished ones, so
# their .BTF_ids is put into link-time order first, by btfgen itself.
# Prints a line per module and `N passed, N failed`. Environment: KERNEL (7.3), BTFGEN.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-7.3}
btfgen=${BTFGEN:-$root/target/release/btfgen}
"$scripts/get-kernel.sh" "$kernel"
"$scripts/get-resolve-btfids.sh" "$kernel"
pahole=$(tools_dir 1.32)/bin/pahole
real=$cache/tools/resolve_btfids-$kernel/resolve_btfids
vmlinux=$(kernel_dir "$kernel")/vmlinux
features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func
[ $# -gt 0 ] || set -- nf_nat nf_conntrack nf_flow_table tcp_dctcp tcp_bbr fou xfrm_interface tls sunrpc nbd watchdog netfs dm-mod
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

for name in "$@"; do
    module=$(find -L "$(kernel_dir "$kernel")/modules" -name "$name.ko" | head -n 1)
    [ -n "$module" ] || die "no module $name in Linux $kernel"
    for who in ours theirs; do
        rm -rf "${work:?}/$who"
        mkdir "$work/$who"
        cp "$module" "$work/$who/m.ko"
    done
    "$pahole" -J --btf_features=$features --btf_base "$vmlinux" --btf_encode_detached="$work/m.1" "$module"
    "$btfgen" resolve_btfids --link_order --btf_base "$vmlinux" "$work/theirs/m.ko"
    result=ok
    (cd "$work/ours" && "$btfgen" resolve_btfids --btf_base "$vmlinux" --btf ../m.1 m.ko) 2>"$work/ours.err" || result="FAILED (btfgen)"
    (cd "$work/theirs" && "$real" --btf_base "$vmlinux" --btf ../m.1 m.ko) 2>"$work/theirs.err" || result="FAILED (reference)"
    diff "$work/ours.err" "$work/theirs.err" >&2 || result="FAILED (messages)"
    cmp "$work/ours/m.ko.BTF_ids" "$work/theirs/m.ko.BTF_ids" >&2 || result="FAILED (ids)"
    # The order of types without names may differ: as a graph.
    "$scripts/python.sh" "$scripts/btfcmp.py" --base "$vmlinux" "$work/ours/m.ko.BTF" "$work/theirs/m.ko.BTF" >"$work/graph" 2>&1 || true
    if ! cmp -s "$work/ours/m.ko.BTF" "$work/theirs/m.ko.BTF"; then
        same=$("$btfgen" dump --btf_base "$vmlinux" "$work/ours/m.ko.BTF" | sed -E 's/\[?[0-9]+\]?//g' | sort | sha256sum)
        [ "$same" = "$("$btfgen" dump --btf_base "$vmlinux" "$work/theirs/m.ko.BTF" | sed -E 's/\[?[0-9]+\]?//g' | sort | sha256sum)" ] ||
            { result="FAILED (types)"; cat "$work/graph" >&2; }
    fi
    say "$result $name"
    if [ "$result" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
