# shellcheck shell=bash
# A machine that boots a kernel with modules and reports what the kernel thinks of their BTF. For test-boot.sh, which sources this after
# lib.sh and sets $work and $limit. The program in the machine is tests/boot/init.c.
#
# A system to boot is a folder with
#   image         the kernel
#   base.btf      its BTF, as it should be in sysfs
#   vmlinux.btf   BTF of the kernel by btfgen, for BPF_BTF_LOAD
#   m/            NAME.ko, and NAME.btf, what sysfs should show of it

. "$scripts/machine.sh"

passed=0 failed=0
verdict() { # verdict ok|FAILED WHAT DETAIL
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-6s  %s: %s\n' "$1" "$2" "$3"
}
section() { printf '\n%s\n' "$*"; }
seconds() { awk -v ns=$(($(date +%s%N) - $1)) 'BEGIN { printf "%.1f", ns / 1e9 }'; }
# step WHAT LOG COMMAND...: one verdict, with the last line of what the command says
step() {
    local what=$1 log=$2 began result=ok detail
    shift 2
    began=$(date +%s%N)
    ("$@") >"$log" 2>&1 </dev/null || result=FAILED
    detail="$(tail -n 1 "$log") ($(seconds "$began") s)"
    [ $result = ok ] || detail+=", see $log"
    verdict $result "$what" "$detail"
    [ $result = ok ]
}

# module_paths FOLDER: fills path_of by name, in the kernel's spelling (- is _)
module_paths() {
    local path name
    path_of=() wanted=() placed=() order=()
    while read -r path; do
        name=$(basename "$path" .ko)
        path_of[${name//-/_}]=$path
    done < <(find -L "$1" -name '*.ko' | sort)
}
declare -A path_of=() wanted=() placed=()
order=()
info() { # info NAME START: words of the lines of a module's .modinfo that begin so
    objcopy -O binary --only-section=.modinfo "${path_of[$1]}" "$work/modinfo"
    tr '\0' '\n' <"$work/modinfo" | sed -n "s/^$2//p" | tr ',\n-' '  _'
    rm "$work/modinfo"
}
# points_back NAME: it depends on a module that is not placed yet, although it is wanted: one that is waiting for NAME
points_back() {
    local dependency
    for dependency in $(info "$1" depends=); do
        if [ -n "${wanted[$dependency]:-}" ] && [ -z "${placed[$dependency]:-}" ]; then return 0; fi
    done
    return 1
}
want() { # want NAME: into `order`, after what it depends on, and what it likes to have before (softdep), unless that needs it
    local name=${1//-/_} dependency later=()
    [ -z "${wanted[$name]:-}" ] || return 0
    wanted[$name]=1
    [ -n "${path_of[$name]:-}" ] || die "this kernel has no module $name: choose another"
    for dependency in $(info "$name" depends=); do want "$dependency"; done
    for dependency in $(info "$name" 'softdep=pre: *'); do
        # It may be built in, or an alias.
        [ -n "${path_of[$dependency]:-}" ] || continue
        if points_back "$dependency"; then later+=("$dependency"); else want "$dependency"; fi
    done
    order+=("$name")
    placed[$name]=1
    for dependency in "${later[@]}"; do want "$dependency"; done
}

# finish SYSTEM: after its modules got their BTF: they lose their DWARF, and NAME.btf is made
finish() {
    local name file
    for name in "${order[@]}"; do
        file=$1/m/$name.ko
        objcopy --strip-debug "$file" && objcopy --dump-section .BTF="$1/m/$name.btf" "$file" /dev/null || return 1
    done
    echo "${#order[@]} modules, $(cat "$1"/m/*.btf | wc -c) bytes of BTF"
}

# initramfs SYSTEM NAME: $work/NAME.cpio of the program, the modules, $work/NAME.plan, and what $work/NAME/ has instead
initramfs() {
    local dir=$work/root-$2
    mkdir "$dir"
    cp -r "$1/m" "$1/base.btf" "$1/vmlinux.btf" "$dir/"
    [ ! -d "$work/$2" ] || cp -r "$work/$2"/. "$dir/"
    cp "$work/init" "$dir/init"
    cp "$work/$2.plan" "$dir/plan"
    pack "$dir" "$work/$2.cpio"
    rm -rf "$dir"
}
# boot SYSTEM NAME: leaves $work/NAME.lines, the report, and $work/NAME.log, the kernel's; fails if the report is not whole
boot() {
    local status=0 count image=$1/image name=$2
    initramfs "$1" "$2"
    machine "$image" "$work/$name.cpio" "$work/$name" "$limit" 7 || status=$?
    rm -f "$work/$name.cpio"
    tr -d '\r' <"$work/$name.report" >"$work/$name.lines"
    count=$(sed -n 's/^end\t//p' "$work/$name.lines")
    if [ "$status" -ne 0 ] || [ -z "$count" ] || [ "$count" -ne "$(grep -cE $'^(ok|FAILED)\t' "$work/$name.lines")" ]; then
        tail -n 5 "$work/$name.qemu" "$work/$name.log" >&2
        say "the report is not whole, or the machine ended with status $status; $work/$name.log"
        return 1
    fi
}

complaints='BTF|BPF:|kfunc|struct_ops|resolve_btfids|WARNING|BUG|Oops|Call Trace|Unknown symbol|disagrees about|Invalid|general protection'
# boot_and_judge SYSTEM NAME: boots, and repeats the report as verdicts; with the kernel's log
boot_and_judge() {
    local began result what detail log=$work/$2.log
    began=$(date +%s%N)
    if ! boot "$1" "$2"; then
        verdict FAILED "the machine" "see $log, $work/$2.report"
        return
    fi
    while IFS=$'\t' read -r result what detail; do
        [ "$result" = end ] || verdict "$result" "$what" "$detail"
    done <"$work/$2.lines"
    # Up to where the damage begins: the log's complaints about that are wanted.
    sed '/btfgen-test: damaged BTF from here on/,$d' "$log" >"$log.good"
    sed '1,/btfgen-test: damaged BTF from here on/d' "$log" >"$log.bad"
    if grep -aE "$complaints" "$log.good" >"$work/complaints"; then
        verdict FAILED "kernel log" "$(wc -l <"$work/complaints") complaints"
        head -n 20 "$work/complaints" | sed 's/^/            /'
    else
        verdict ok "kernel log" "no complaint in $(wc -l <"$log.good") lines"
    fi
    if grep -qaE 'failed to validate module.*BTF' "$log.bad"; then
        verdict ok "kernel log on damaged modules" "$(grep -acE 'failed to validate module.*BTF' "$log.bad") complaints"
    else
        verdict FAILED "kernel log on damaged modules" "no complaint: it is not read as it should"
    fi
    say "(booting and checking took $(seconds "$began") s)"
}
# plan VICTIM: what to do with the modules of `order`, `expected` and `kfuncs`
plan() {
    local name entry
    echo "base /base.btf"
    echo "btf btfgen's_vmlinux /vmlinux.btf"
    for name in "${order[@]}"; do
        [ "$name" = "$1" ] || echo "module $name ${expected[$name]:-}"
    done
    for name in "${order[@]}"; do echo "resolve $name"; done
    for entry in "${kfuncs[@]}"; do
        [ -z "${wanted[${entry%:*}]:-}" ] || echo "kfuncs ${entry/:/ }"
    done
    [ -z "${wanted[nf_conntrack]:-}" ] || echo conntrack
    [ -z "${wanted[fou]:-}" ] || echo fou
    [ -z "${wanted[af_key]:-}" ] || echo fentry
    echo "corrupt $1"
}
