#!/bin/bash
# btfgen beside pahole, on a real kernel: seconds and bytes for vmlinux, a large and a small module.
#   compare.sh KERNEL        6.1, 6.12 or 7.3; the driver behind `make compare KERNEL=...`
# Each tool works with -j2 on a base of its own dialect (made by pahole 1.32), best of three runs. Exit status 1 when btfgen is
# not at least $MIN_SPEEDUP (default 3) times as fast everywhere. For a figure that means something, let nothing else run.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || usage
btfgen=${BTFGEN:-$root/target/release/btfgen}
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
"$scripts/get-kernel.sh" "$1"
"$scripts/get-reference-tools.sh" 1.32
kernel=$(kernel_dir "$1")
pahole=$(tools_dir 1.32)/bin/pahole
reference=$cache/reference/$(cat "$kernel/release")/pahole-1.32
"$scripts/encode-reference.sh" "$pahole" - "$reference/vmlinux" "$kernel/vmlinux"
base=$reference/vmlinux/vmlinux.btf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs

best() { # best OUTPUT COMMAND...: seconds of the fastest of three runs
    local output=$1 began took least=''
    shift
    for _ in 1 2 3; do
        rm -f "$output"
        began=$(date +%s%N)
        "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "failed: $*"; }
        took=$(($(date +%s%N) - began))
        if [ -z "$least" ] || [ "$took" -lt "$least" ]; then least=$took; fi
        [ -s "$output" ] || die "no output: $*"
    done
    echo "$least"
}

printf '%-20s %10s %10s %8s %12s %12s\n' "" "btfgen" "pahole" "times" "btfgen" "pahole"
status=0
for name in vmlinux xfs.ko vsock_loopback.ko; do
    if [ $name = vmlinux ]; then
        file=$kernel/vmlinux on=()
    else
        file=$(find -L "$kernel/modules" -name $name | head -n 1) on=(--btf_base "$base")
        [ -n "$file" ] || die "this kernel has no $name"
    fi
    cat "$file" >/dev/null # both find it in memory
    ours=$(best "$work/ours" "$btfgen" -j2 --btf_features=$features --lang_exclude=rust "${on[@]}" --btf_encode_detached="$work/ours" "$file")
    theirs=$(best "$work/theirs" "$pahole" -J -j2 --btf_features=$features --lang_exclude=rust "${on[@]}" --btf_encode_detached="$work/theirs" "$file")
    awk -v name=$name -v a="$ours" -v b="$theirs" -v ab="$(stat -c %s "$work/ours")" -v bb="$(stat -c %s "$work/theirs")" -v min="${MIN_SPEEDUP:-3}" 'BEGIN {
        printf "%-20s %8.3f s %8.3f s %8.1f %12d %12d bytes\n", name, a / 1e9, b / 1e9, b / a, ab, bb
        exit b < a * min
    }' || status=1
done
exit $status
