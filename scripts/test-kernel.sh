#!/bin/bash
# Encodes a real kernel and all of its modules and checks everything that can be checked without booting it:
#   test-kernel.sh KERNEL [ARCH]     6.1, 6.12 or 7.3; amd64, arm64, s390x, armhf, ...; the driver behind `make test-kernel`
# Environment:
#   BTFGEN        the program under test (default: target/release/btfgen of this tree)
#   BTFGEN_WORK   where results and logs go (default: work/KERNEL or work/KERNEL-ARCH in the cache); emptied first
#   SMALL=1       three modules
#   TWO_BUILDS=1  also build btfgen in another folder and compare what it writes
# Prints one line per check, `ok` or `FAILED` with figures, and `N passed, N failed` at the end. Exit status 1 if any failed.
# Needs no root: kernels, tools and results live in the cache (see lib.sh). About 8 minutes the first time on 2 cores (6 of them
# for the reference encoder, whose results are kept).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || [ $# -eq 2 ] || usage
series=$1 arch=${2:-amd64}
kernel_suite "$series" >/dev/null
btfgen=${BTFGEN:-$root/target/release/btfgen}
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
kernel=$(kernel_dir "$series" "$arch")
[ "$arch" = amd64 ] && work=$series || work=$series-$arch
work=${BTFGEN_WORK:-$cache/work/$work}
# Other architectures than the reference's own are compared with its newest release only.
[ "$arch" = amd64 ] && versions=(1.32 1.30) || versions=(1.32)
# Bytes of the modules' BTF on the base that Debian ships; above it something is written that need not be.
case $series-$arch in 7.3-amd64) max_bytes=9400000 ;; *) max_bytes= ;; esac
# Functions of 7.3 that the reference loses because vmlinux has one that looks equal. (Not nfsd's kref_put: it is an .isra clone
# there, and may lack its result.)
lost_by_reference='btrfs init_once
btrfs __list_del_entry
nfsd jhash
nfsd __list_del_entry
mlx5_core netdev_reg_state
ib_core net_namespace'
features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs
options=(--btf_features="$features" --lang_exclude=rust)

# --- fetching -------------------------------------------------------------------------------------------------------
few=()
if [ "${SMALL:-}" = 1 ] && [ ! -e "$kernel/.complete" ]; then
    few=(--few)
    kernel+=-few
fi
"$scripts/get-kernel.sh" "$series" --arch "$arch" "${few[@]}"
for version in "${versions[@]}"; do "$scripts/get-reference-tools.sh" "$version"; done
vmlinux=$kernel/vmlinux
reference=$cache/reference/$(cat "$kernel/release")
bpftool=$(tools_dir 1.32)/bin/bpftool
named=(-name '*.ko') suffix=''
if [ "${SMALL:-}" = 1 ]; then
    named=(-false)
    for name in "${few_modules[@]}"; do named+=(-o -name "$name.ko"); done
    suffix=-few
fi
mapfile -t modules < <(find -L "$kernel/modules" \( "${named[@]}" \) -printf '%s %p\n' | sort -rn | cut -d ' ' -f 2-)
# The base that Debian ships. Where it ships none (6.1 of armhf and s390x), btfgen's own takes that place.
bases=(own "${versions[@]}")
if readelf -SW "$vmlinux" | grep ' \.BTF ' >/dev/null; then bases=(shipped "${bases[@]}"); fi
first=${bases[0]}
objcopy=$(arch_tool "$arch" objcopy)

lock "$work.lock"
rm -rf "$work"
logs=$work/logs
mkdir -p "$logs"

# --- checks ---------------------------------------------------------------------------------------------------------
section() { printf '\n%s\n' "$*"; }

cmp_btf() { "$scripts/python.sh" "$scripts/btfcmp.py" --known "$scripts/known-differences.tsv" "$@"; }
min_btf() { "$scripts/python.sh" "$scripts/btfmin.py" "$@"; }

# encode_kernel NAME FLAG...: vmlinux into $work/NAME.btf, without what resolve_btfids does: the reference has not either
encode_kernel() {
    local name=$1
    shift
    "$btfgen" "${options[@]}" --no-btf-ids "$@" --btf_encode_detached="$work/$name.btf" "$vmlinux" || return 1
    [ -s "$work/$name.btf" ] || { echo "no output"; return 1; }
    echo "$(stat -c %s "$work/$name.btf") bytes"
}

# encode_modules NAME BASE FLAG...: every module, in one process, into $work/NAME/
encode_modules() {
    local name=$1 base=$2 count
    shift 2
    mkdir "$work/$name"
    "$btfgen" "${options[@]}" --btf_base "$base" --detached-dir "$work/$name" "$@" "${modules[@]}" || return 1
    count=$(find "$work/$name" -name '*.ko.btf' | wc -l)
    echo "$count of ${#modules[@]} modules, $(find "$work/$name" -name '*.ko.btf' -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }') bytes"
    [ "$count" -eq "${#modules[@]}" ]
}

identical() { # identical A B: files or folders
    local differ
    if differ=$(diff -rq "$1" "$2"); then
        echo "$(find "$1" -type f | wc -l) files identical"
    else
        echo "$differ"
        echo "$(grep -c . <<<"$differ") files differ"
        return 1
    fi
}
modules_again() { # NAME FLAG...: encodes again on the first base and compares
    local name=$1
    shift
    encode_modules "$name" "$first_base" "$@" && identical "$work/on-$first" "$work/$name"
}
modules_reversed() {
    local reversed=() file
    for file in "${modules[@]}"; do reversed=("$file" "${reversed[@]}"); done
    modules=("${reversed[@]}")
    modules_again "$@"
}
kernel_again() {
    encode_kernel "$@" && identical "$work/vmlinux.btf" "$work/$1.btf"
}

section "the comparison tools themselves"
self_test() {
    "$scripts/python.sh" "$scripts/test_btfgraph.py" || return 1
    local file=$work/elf-before
    cp "${modules[-1]}" "$file"
    [ "$first" = shipped ] || "$objcopy" --add-section .BTF="$kernel/release" "$file" || return 1
    cp "$file" "$work/elf" && python3 "$scripts/elfcmp.py" "$file" "$work/elf" || return 1
    printf x | dd of="$work/elf" bs=1 seek=$(($(stat -c %s "$work/elf") / 2)) conv=notrunc status=none
    if python3 "$scripts/elfcmp.py" "$file" "$work/elf"; then
        echo "elfcmp.py overlooks a changed byte"
        return 1
    fi
    echo "they find what they should"
}
check "self-test" self_test

section "vmlinux $(cat "$kernel/release"), $arch"
for version in "${versions[@]}"; do
    "$scripts/encode-reference.sh" "$(tools_dir $version)/bin/pahole" - "$reference/pahole-$version/vmlinux" "$vmlinux"
done
ref132=$reference/pahole-1.32/vmlinux/vmlinux.btf
ref130=$reference/pahole-1.30/vmlinux/vmlinux.btf
check "vmlinux" encode_kernel vmlinux --functions-report "$work/vmlinux.tsv"
check "vmlinux, selection of the reference" encode_kernel vmlinux-compat --compat=pahole --functions-report "$work/vmlinux-compat.tsv"
check "vmlinux: nothing redundant" min_btf "$work/vmlinux.btf"
check "vmlinux against 1.32, same selection: nothing missing" cmp_btf "$work/vmlinux-compat.btf" "$ref132"
check "vmlinux against 1.32: what is missing is explained" cmp_btf --explain "$work/vmlinux.tsv" "$work/vmlinux.btf" "$ref132"
if [ "$arch" = amd64 ]; then
    check "vmlinux, selection of the reference, arrays as before 1.32" encode_kernel vmlinux-flat --compat=pahole --dialect=pahole-1.31 \
        --functions-report "$work/vmlinux-flat.tsv"
    check "vmlinux against 1.30: what is missing is explained" cmp_btf --known "$scripts/known-differences-1.30.tsv" --explain "$work/vmlinux-flat.tsv" "$work/vmlinux-flat.btf" "$ref130"
fi
check "vmlinux: a kernel takes it" "$btfgen" verify "$work/vmlinux.btf"
check "vmlinux: libbpf reads it" "$bpftool" btf dump file "$work/vmlinux.btf" format c

# cxgb4 has a struct sched_class of its own, and so has task_struct wherever that is defined (docs/compat.md).
no_copies() { # JSON of btfmin.py: no file but cxgb4.ko has copies
    python3 -c '
import json, sys
files = {file["file"]: file["copies"] for file in json.load(open(sys.argv[1]))["files"]}
copies = {name: count for name, count in files.items() if count}
print(sum(copies.values()), "copies in", len(files), "files", *copies)
sys.exit(not files or bool(copies.keys() - {"cxgb4.ko"}))' "$1"
}
section "modules (${#modules[@]}) on ${#bases[@]} bases: ${bases[*]}"
base_of() {
    case $1 in
    shipped) echo "$vmlinux" ;;
    own) echo "$work/vmlinux.btf" ;;
    1.32) echo "$ref132" ;;
    1.30) echo "$ref130" ;;
    esac
}
first_base=$(base_of "$first")
kernel_takes() { # BASE-NAME: all modules on it
    "$btfgen" verify --btf_base "$(base_of "$1")" "$work/on-$1"/*.btf | awk '{ print } / ok: / { ok++ } END { print ok + 0 " files"; exit ok != NR }'
}
for base in "${bases[@]}"; do
    check "modules on $base" encode_modules "on-$base" "$(base_of $base)" --functions-report "$work/on-$base.tsv"
    limit=()
    [ "$base" != "$first" ] || limit=(${max_bytes:+--max-bytes "$max_bytes"} --savings)
    check "modules on $base: nothing redundant" min_btf --base "$(base_of $base)" "${limit[@]}" --json "$work/on-$base.json" "$work/on-$base"
    check "modules on $base: no copy of task_struct" no_copies "$work/on-$base.json"
    check "modules on $base: a kernel takes them" kernel_takes "$base"
done
for base in "${bases[@]}"; do
    [ "$base" = 1.32 ] || check "modules on $base: functions as on 1.32" cmp_btf --pairs --fail-on func_missing,func_extra --base "$(base_of $base)" --reference-base "$ref132" \
        "$work/on-$base" "$work/on-1.32"
done

section "modules against the reference encoders, each in its own dialect"
for version in "${versions[@]}"; do
    base=$(base_of $version) dir=$reference/pahole-$version/modules-on-own$suffix
    "$scripts/encode-reference.sh" "$(tools_dir $version)/bin/pahole" "$base" "$dir" "${modules[@]}"
    check "modules on $version, selection of the reference" encode_modules "compat-$version" "$base" --compat=pahole --functions-report "$work/compat-$version.tsv"
    # 1.30 selects functions as July's source did not: there the report has to say why.
    explain=()
    [ $version = 1.32 ] || explain=(--explain "$work/compat-$version.tsv")
    check "modules against $version, same selection: nothing missing" cmp_btf --pairs --base "$base" "${explain[@]}" --json "$work/compat-$version.json" \
        "$work/compat-$version" "$dir"
    check "modules against $version: what is missing is explained" cmp_btf --pairs --base "$base" --explain "$work/on-$version.tsv" \
        --json "$work/against-$version.json" "$work/on-$version" "$dir"
done
has_function() {
    if "$bpftool" -B "$vmlinux" btf dump file "$work/on-shipped/$1.ko.btf" | grep "FUNC '$2' "; then return 0; fi
    echo "not there"
    return 1
}
if [ "$series-$arch-${SMALL:-}" = 7.3-amd64- ]; then
    while read -r module function; do
        check "function that the reference loses to the base: $module $function" has_function "$module" "$function"
    done <<<"$lost_by_reference"
fi

section "the same bytes every time"
for jobs in 1 2 7; do
    check "vmlinux, -j$jobs" kernel_again "vmlinux-j$jobs" "-j$jobs"
    check "modules, -j$jobs" modules_again "again-j$jobs" "-j$jobs"
    rm -rf "$work/again-j$jobs" "$work/vmlinux-j$jobs.btf"
done
check "vmlinux, again" kernel_again vmlinux-again
check "modules, again, in another order" modules_reversed again
rm -rf "$work/again"

# Twenty modules of all sizes, and the two that the other figures are about.
sample=()
step=$(((${#modules[@]} + 19) / 20))
for ((i = 0; i < ${#modules[@]}; i += step)); do sample+=("${modules[i]}"); done
for file in "${modules[@]}"; do
    case $file in */xfs.ko | */vsock_loopback.ko) [[ " ${sample[*]} " == *" $file "* ]] || sample+=("$file") ;; esac
done
sample_identical() { # FOLDER: its *.btf are those on the first base
    local count=0 file
    for file in "$1"/*.btf; do
        cmp "$file" "$work/on-$first/$(basename "$file")" || return 1
        count=$((count + 1))
    done
    echo "$count files identical"
    [ "$count" -eq "${#sample[@]}" ]
}
mkdir -p "$work/elsewhere/in" "$work/elsewhere/out"
cp "${sample[@]}" "$work/elsewhere/in"
cp --reflink=auto -L "$vmlinux" "$work/elsewhere/kernel-image"
cp --reflink=auto -L "$first_base" "$work/elsewhere/base-image"
other_path() {
    (cd "$work/elsewhere/in" && "$btfgen" "${options[@]}" --btf_base ../base-image --detached-dir ../out ./*.ko) && sample_identical "$work/elsewhere/out"
}
one_by_one() {
    local file
    rm -f "$work"/elsewhere/out/*
    for file in "${sample[@]}"; do
        "$btfgen" "${options[@]}" --btf_base "$first_base" --btf_encode_detached="$work/elsewhere/out/$(basename "$file").btf" "$file" || return 1
    done
    sample_identical "$work/elsewhere/out"
}
kernel_other_path() {
    (cd "$work/elsewhere" && "$btfgen" "${options[@]}" --no-btf-ids --btf_encode_detached=kernel-image.btf kernel-image) &&
        identical "$work/vmlinux.btf" "$work/elsewhere/kernel-image.btf"
}
check "modules, at another path" other_path
check "modules, one process each" one_by_one
check "vmlinux, at another path" kernel_other_path
rm -f "$work"/elsewhere/*-image*

other_build() {
    mkdir -p "$work/other-source" "$work/other-out"
    (cd "$root" && tar -c --exclude=./target --exclude=./.git .) | tar -x -C "$work/other-source"
    (cd "$work/other-source" && CARGO_TARGET_DIR=$work/other-target cargo build --quiet --release --locked) || return 1
    local btfgen=$work/other-target/release/btfgen
    encode_kernel vmlinux-other-build && cmp "$work/vmlinux.btf" "$work/vmlinux-other-build.btf" || return 1
    "$btfgen" "${options[@]}" --btf_base "$first_base" --detached-dir "$work/other-out" "${sample[@]}" && sample_identical "$work/other-out"
}
if [ "${TWO_BUILDS:-}" = 1 ]; then
    check "btfgen built in another folder" other_build
    rm -rf "$work/other-source" "$work/other-target"
fi

section "written into the files (copies of ${#sample[@]} modules)"
in_place() { # FOLDER: encodes its *.ko in place; everything else must stay as it is in FOLDER-before
    local file name bad=0
    chmod 640 "$1"/*.ko
    "$btfgen" "${options[@]}" --btf_base "$first_base" "$1"/*.ko || return 1
    for file in "$1"/*.ko; do
        name=$(basename "$file")
        python3 "$scripts/elfcmp.py" "$1-before/$name" "$file" --btf "$work/on-$first/$name.btf" || bad=$((bad + 1))
        [ "$(stat -c %a "$file")" = 640 ] || { echo "$file: mode is $(stat -c %a "$file")"; bad=$((bad + 1)); }
        if readelf -SW "$file" 2>&1 >/dev/null | grep .; then bad=$((bad + 1)); fi
    done
    echo "$(find "$1" -name '*.ko' | wc -l) files, $bad bad, $(find "$1" ! -name '*.ko' -type f | wc -l) files left behind"
    [ "$bad" -eq 0 ] && [ -z "$(find "$1" ! -name '*.ko' -type f)" ]
}
prepare_in_place() { # FOLDER COMMAND...: copies of the sample, each treated by COMMAND, in FOLDER and FOLDER-before
    local folder=$1 file
    shift
    mkdir "$folder-before"
    cp "${sample[@]}" "$folder-before"
    [ $# -eq 0 ] || for file in "$folder-before"/*.ko; do "$@" "$file"; done
    cp -r "$folder-before" "$folder"
}
in_place_again() {
    rm -rf "$1-once"
    cp -r "$1" "$1-once"
    in_place "$1" && identical "$1-once" "$1"
}
output_copies() { # -o: a copy of the file with BTF in it, the input untouched
    local file=${sample[-1]} copy
    copy=$work/copy-$(basename "$file")
    "$btfgen" "${options[@]}" --btf_base "$first_base" -o "$copy" "$file" || return 1
    cmp "$copy" "$work/as-shipped/$(basename "$file")" && echo "as in place"
}
if command -v "$objcopy" >/dev/null && command -v readelf >/dev/null; then
    prepare_in_place "$work/as-shipped"
    check "$([ "$first" = shipped ] && echo "a .BTF that is there is replaced" || echo "a file without .BTF gets one")" in_place "$work/as-shipped"
    check "the same once more" in_place_again "$work/as-shipped"
    check "a copy with -o" output_copies
    without_btf() { # FILE: as linked. Without its .BTF, flags of sets that were resolved could not be put back.
        "$btfgen" resolve_btfids --link_order --btf_base "$first_base" "$1" && "$objcopy" -R .BTF "$1"
    }
    if [ "$first" = shipped ]; then
        prepare_in_place "$work/add" without_btf
        check "a file without .BTF gets one" in_place "$work/add"
    fi
else
    check "binutils" sh -c "echo '$objcopy or readelf is missing: scripts/setup.sh'; false"
fi
libbpf_reads() {
    local file
    for file in "${sample[@]}"; do
        "$bpftool" -B "$first_base" btf dump file "$work/on-$first/$(basename "$file").btf" >/dev/null || { echo "$file"; return 1; }
    done
    echo "${#sample[@]} files"
}
check "modules: libbpf reads them" libbpf_reads

section "distilled bases"
distilled() { # every module, put back and compared by btfgen itself
    encode_modules distilled "$first_base" --distill_base || return 1
    find "$work/distilled" -name '*.ko.btf.base' -printf '%s %f\n' | awk -v want="${#modules[@]}" '
        { sum += $1; if ($1 > largest && $2 != "cxgb4.ko.btf.base") largest = $1 }
        END { print NR " distilled bases, " sum + 0 " bytes, the largest " largest; exit NR != want || largest > 8192 }'
}
libbpf_relocates() { # libbpf puts them on the base, and gets what btfgen gets
    local file copy=$work/distilled.ko
    for file in "${sample[@]}"; do
        "$btfgen" "${options[@]}" --btf_base "$first_base" --distill_base -o "$copy" "$file" || return 1
        "$bpftool" -B "$first_base" btf dump file "$copy" >"$work/distilled.libbpf" || { echo "$file"; return 1; }
        "$btfgen" dump --btf_base "$first_base" "$copy" | cmp - "$work/distilled.libbpf" || { echo "$file"; return 1; }
    done
    rm -f "$copy" "$work/distilled.libbpf"
    echo "${#sample[@]} files"
}
check "modules, distilled" distilled
check "modules, distilled: libbpf puts them on vmlinux" libbpf_relocates
rm -rf "$work/distilled"

section "functions left out, by reason"
cut -s -f 3,4 "$work/vmlinux.tsv" "$work/on-$first.tsv" 2>/dev/null |
    awk -F '\t' '$1 == "dropped" { sub(/:.*/, "", $2); n[$2]++ } END { for (r in n) printf "%8d  %s\n", n[r], r }' | sort -rn || true

rm -rf "$work/elsewhere" "$work/add" "$work/add-before" "$work"/as-shipped*
checked
