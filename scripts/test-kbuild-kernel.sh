# shellcheck shell=bash
# A whole kernel, compiled from Debian's source: vmlinux and its modules get their BTF from Kbuild with btfgen as both tools, and with
# the patch of contrib/kbuild, and are compared with what the reference tools made in the same tree. Part of test-kbuild.sh, which
# sources this; uses its `check`, $work, $btfgen, $bpftool.

# test_kernel SERIES
test_kernel() {
    local how before=''
    check_prefix="kernel $1 "
    "$scripts/get-kernel-build.sh" "$1"
    compiled=$cache/builds/$1
    hows=(drop-in one-shot)
    [ "$1" != 6.12 ] || hows=(one-shot)
    if [ "$1" != 6.12 ]; then
        check "pahole alone by btfgen, with the reference's selection of functions" relink_kernel "$1" selection selection
        check "with the reference's selection: the same as by the reference, both ways" kernel_equal selection "$compiled/reference"
        rm -rf "$work/kernel-selection"
    fi
    for how in "${hows[@]}"; do
        check "$how" relink_kernel "$1" "$how" "$how"
        check "$how: libbpf reads all" kernel_read_by_libbpf "$how"
        check "$how: types and functions as by the reference" kernel_same_types "$how"
        check "$how: ids as by the reference" kernel_same_ids "$how"
        # Kernels before 7.0 do not care.
        [ "$1" != 7.3 ] || check "$how: vmlinux in name order" "$scripts/python.sh" "$scripts/btforder.py" "$work/kernel-$how/vmlinux"
        check "$how: once more, with one job" relink_kernel "$1" "$how" "$how-j1" -j1
        check "$how: once more: the same bytes" same_kernels "$how" "$how-j1"
        rm -rf "$work/kernel-$how-j1"
        [ -z "$before" ] || check "$how: the same as by $before, both ways" kernel_equal "$how" "$work/kernel-$before"
        before=$how
    done
    # test-boot.sh boots the last one.
    for how in "${hows[@]}"; do rm -rf "$work/kernel-$1-$how"; mv "$work/kernel-$how" "$work/kernel-$1-$how"; done
}

# relink_kernel SERIES HOW NAME ARGUMENT...: into $work/kernel-NAME, all complaints of the BTF steps are errors. Two jobs unless told otherwise.
relink_kernel() {
    local out=$work/kernel-$3
    BTFGEN=$btfgen "$scripts/relink-kernel.sh" "$1" "$2" "$out" "${4:--j2}" || return 1
    # A name in .BTF_ids that this configuration does not have is no fault of anybody's; kernel_same_ids sees to it that it is the same.
    if grep -E 'Skipping BTF|(WARN|warning:|ERROR|FAILED|btfgen)' "$out/make.log" | grep -vE 'unresolved symbol|no BTF ID symbol' | grep -vE '^  [A-Z]+ '; then
        echo "a step complains"
        return 1
    fi
    if grep . "$out/left-behind"; then
        echo "side files are left behind"
        return 1
    fi
    kernel_sizes "$out"
}
kernel_sizes() { # FOLDER
    local file total=0 count=0
    for file in "$1/vmlinux" "$1"/modules/*.ko; do
        objcopy --dump-section .BTF="$work/section" "$file" /dev/null || return 1
        [ "$(readelf -SW "$file" | grep -c ' \.BTF ')" = 1 ] || { echo "$file has more than one .BTF"; return 1; }
        if [ "$count" = 0 ]; then vmlinux_size=$(stat -c %s "$work/section"); else total=$((total + $(stat -c %s "$work/section"))); fi
        count=$((count + 1))
    done
    [ $count -gt 30 ] || { echo "$((count - 1)) modules only"; return 1; }
    echo "vmlinux $vmlinux_size bytes of BTF, $((count - 1)) modules $total bytes"
}
kernel_read_by_libbpf() {
    local dir=$work/kernel-$1 file
    "$bpftool" btf dump file "$dir/vmlinux" format c >"$work/dump" && grep -q 'struct task_struct {' "$work/dump" || return 1
    for file in "$dir"/modules/*.ko; do
        "$bpftool" -B "$dir/vmlinux" btf dump file "$file" >"$work/dump" || { echo "$file"; return 1; }
        grep -q "^\[[0-9]*\] FUNC " "$work/dump" || { echo "$file: no function in it"; return 1; }
    done
    echo "vmlinux and $(find "$dir/modules" -name '*.ko' | wc -l) modules"
}
same_kernels() { # NAME NAME: all files, byte for byte
    diff -rq "$work/kernel-$1/modules" "$work/kernel-$2/modules" && cmp "$work/kernel-$1/vmlinux" "$work/kernel-$2/vmlinux" && echo "identical"
}

kernel_cmp() { # OURS THEIRS OPTIONS-FOR-VMLINUX OPTIONS-FOR-MODULES: folders; nothing of theirs may be missing in ours
    local known=(--known "$scripts/known-differences.tsv")
    # shellcheck disable=SC2086
    "$scripts/python.sh" "$scripts/btfcmp.py" "${known[@]}" $3 "$1/vmlinux" "$2/vmlinux" &&
        "$scripts/python.sh" "$scripts/btfcmp.py" "${known[@]}" $4 --pairs --base "$1/vmlinux" --reference-base "$2/vmlinux" "$1/modules" "$2/modules"
}
# kernel_same_types NAME: nothing of the reference's may be missing, unless the report of functions says why
kernel_same_types() {
    local ours=$work/kernel-$1
    kernel_report "$ours" "$work/report" || return 1
    kernel_cmp "$ours" "$compiled/reference" "--explain $work/report-vmlinux.tsv" "--explain $work/report-modules.tsv"
}
# kernel_equal NAME FOLDER: neither may have anything that the other has not
kernel_equal() {
    # Functions that vmlinux has, too, under the same name and prototype: the reference merges them into it (W11).
    printf 'nf_defrag_ipv6.ko\tfunc_missing\t%s\tmerged into the base\n' ip6frag_init ip6frag_obj_cmpfn >"$work/merged.tsv"
    kernel_cmp "$work/kernel-$1" "$2" "" "" && kernel_cmp "$2" "$work/kernel-$1" "" "--known $work/merged.tsv"
}
# kernel_report FOLDER PREFIX: why functions were kept or dropped, into PREFIX-vmlinux.tsv and PREFIX-modules.tsv
kernel_report() {
    mkdir -p "$work/detached"
    "$btfgen" --btf_encode_detached="$work/detached/vmlinux.btf" --functions-report "$2-vmlinux.tsv" "$1/vmlinux" || return 1
    "$btfgen" --btf_base "$1/vmlinux" --detached-dir "$work/detached" --functions-report "$2-modules.tsv" "$1"/modules/*.ko
}
kernel_ids() { # FOLDER OUT
    "$scripts/python.sh" "$scripts/btfids.py" "$1/vmlinux" >"$2" 2>"$2.wrong"
    "$scripts/python.sh" "$scripts/btfids.py" --base "$1/vmlinux" "$1"/modules/*.ko >>"$2" 2>>"$2.wrong"
}
kernel_same_ids() {
    # What this configuration does not have is unresolved in both; nothing else is another thing than its symbol says.
    kernel_ids "$work/kernel-$1" "$work/ids.1" || true
    kernel_ids "$compiled/reference" "$work/ids.2" || true
    diff "$work/ids.1" "$work/ids.2" && diff "$work/ids.1.wrong" "$work/ids.2.wrong" || return 1
    echo "$(grep -cE 'FUNC|STRUCT|UNION|TYPEDEF' "$work/ids.1") ids, $(grep -c unresolved "$work/ids.1") of names that are not there"
}
