#!/bin/bash
# Boots a real kernel with modules that btfgen encoded, and asks the kernel what it thinks of them:
#   test-boot.sh [MODULE...]         the driver behind `make test-boot`; without names, the selection below
# Environment:
#   BTFGEN        the program under test (default: target/release/btfgen of this tree)
#   BTFGEN_WORK   where results and logs go (default: work/boot in the cache); emptied first
#   TIME_LIMIT    seconds for one boot (default 400)
# Debian's 7.3 cloud kernel runs in QEMU (software emulation, no KVM needed), with an initramfs of tests/boot/init.c and the modules,
# encoded on the BTF that the kernel ships with. What is checked stands at the top of tests/boot/init.c; besides, the kernel's log must
# hold no complaint, and a second boot proves that the checks can fail.
# Prints one line per check, `ok` or `FAILED`, and `N passed, N failed` at the end. Exit status 1 if any failed. Needs no root.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$scripts/machine.sh"

series=7.3
btfgen=${BTFGEN:-$root/target/release/btfgen}
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
work=${BTFGEN_WORK:-$cache/work/boot}
limit=${TIME_LIMIT:-400}
need qemu-system-x86_64 qemu-system-x86
need cpio cpio
need gcc gcc
need objcopy binutils
need python3 python3

# What to load; dependencies come by themselves.
selection=(
    xfs btrfs nfsd nfsv4 nfsv3 cifs ksmbd ceph erofs overlay ntfs squashfs udf cachefiles zonefs
    kvm mlx4_ib mlx5_core mlx5_ib mana ena gve ixgbevf ionic vmxnet3 virtio_net
    sctp nf_tables bridge openvswitch wireguard nf_conntrack nf_nat nf_flow_table nft_ct nft_nat nft_flow_offload nf_conntrack_sip
    ip_vs ip_set_hash_net tipc rds_tcp l2tp_eth tls af_key xfrm_interface fou vxlan geneve bonding team macsec ipvlan ovpn mptcp_diag
    sch_cake sch_htb cls_flower act_ct cls_bpf tcp_bbr tcp_dctcp
    vsock_loopback vhost_net vhost_vsock tun vfio-pci-core
    dm-crypt dm-thin-pool dm-raid dm-vdo raid456 bcache drbd rbd nbd null_blk zram kyber-iosched bfq
    nvme-tcp nvmet-tcp iscsi_tcp target_core_mod scsi_debug sd_mod libata rpcrdma
    comedi wwan mhi tpm_vtpm_proxy algif_aead dummy
)
# Inits that cannot succeed in this machine: the kernel has taken their BTF when it calls them.
declare -A expected=([kvm_intel]=95 [kvm_amd]=95 [hv_netvsc]=19)
# kfuncs that these modules have at least.
kfuncs=(nf_conntrack:10 nf_nat:1 nf_flow_table:1 fou:2 xfrm_interface:2 tcp_bbr:5 tcp_dctcp:5)
# Stays unloaded until the end, to be damaged.
victim=nlmon

# --- fetching -------------------------------------------------------------------------------------------------------
"$scripts/get-kernel.sh" "$series" --image
kernel=$(kernel_dir "$series")
vmlinux=$kernel/vmlinux

lock "$work.lock"
rm -rf "$work"
mkdir -p "$work/m" "$work/encoded"

passed=0 failed=0
verdict() { # verdict ok|FAILED WHAT DETAIL
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-6s  %s: %s\n' "$1" "$2" "$3"
}
section() { printf '\n%s\n' "$*"; }
seconds() { awk -v ns=$(($(date +%s%N) - $1)) 'BEGIN { printf "%.1f", ns / 1e9 }'; }

# --- which modules, in which order ----------------------------------------------------------------------------------
# The kernel's own spelling: - is _.
declare -A path_of=() wanted=()
while read -r path; do
    name=$(basename "$path" .ko)
    path_of[${name//-/_}]=$path
done < <(find -L "$kernel/modules" -name '*.ko')
order=()
want() { # want NAME: after what it depends on
    local name=${1//-/_} depends dependency
    [ -z "${wanted[$name]:-}" ] || return 0
    wanted[$name]=1
    [ -n "${path_of[$name]:-}" ] || die "Debian's $series cloud kernel has no module $name: choose another"
    objcopy -O binary --only-section=.modinfo "${path_of[$name]}" "$work/modinfo"
    depends=$(tr '\0' '\n' <"$work/modinfo" | sed -n 's/^depends=//p; s/^softdep=pre: *//p' | tr ',\n' '  ')
    for dependency in $depends; do
        # What a softdep names may be built in, or an alias.
        [ -z "${path_of[${dependency//-/_}]:-}" ] || want "$dependency"
    done
    order+=("$name")
}
[ $# -gt 0 ] || set -- "${selection[@]}" "${!expected[@]}"
for name in "$@"; do want "$name"; done
want "$victim"
rm -f "$work/modinfo"

# --- encoding -------------------------------------------------------------------------------------------------------
# encode: $work/m/NAME.ko for each module, with BTF and ids by btfgen, without DWARF; $work/m/NAME.btf is that BTF alone.
# Debian's modules are finished ones; btfgen puts their .BTF_ids into link-time order itself.
encode() {
    local name file base=$work/base.btf paths=()
    for name in "${order[@]}"; do paths+=("${path_of[$name]}"); done
    "$btfgen" --btf_base "$base" --detached-dir "$work/encoded" "${paths[@]}" || return 1
    for name in "${order[@]}"; do
        file=$work/m/$name.ko
        objcopy --strip-debug "${path_of[$name]}" "$file" || return 1
        "$btfgen" resolve_btfids --btf_base "$base" --btf "$work/encoded/$(basename "${path_of[$name]}").btf" "$file" || return 1
        mv "$file.BTF" "$work/m/$name.btf"
        objcopy --update-section .BTF="$work/m/$name.btf" "$file" || return 1
        [ ! -e "$file.BTF_ids" ] || "$btfgen" resolve_btfids --patch_btfids "$file.BTF_ids" "$file" || return 1
        rm -f "$file.BTF_ids"
    done
    echo "${#order[@]} modules, $(cat "$work"/m/*.btf | wc -c) bytes of BTF"
}
objcopy --dump-section .BTF="$work/base.btf" "$vmlinux" /dev/null
began=$(date +%s%N)
section "encoding"
if encode >"$work/encode.log" 2>&1; then
    verdict ok "modules with their dependencies" "$(tail -n 1 "$work/encode.log") ($(seconds "$began") s)"
else
    verdict FAILED "modules with their dependencies" "$(tail -n 1 "$work/encode.log"), see $work/encode.log"
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    exit 1
fi
"$btfgen" --btf_encode_detached="$work/vmlinux.btf" "$vmlinux"
gcc -O2 -Wall -static -o "$work/init" "$root/tests/boot/init.c"

# The ids by name: what the symbols say, and what Debian's build put there, with the same flags.
ids() { # ids FILE...: what they mean
    "$scripts/python.sh" "$scripts/btfids.py" --base "$work/base.btf" "$@"
}
same_ids() {
    local name shipped=() own=()
    for name in "${order[@]}"; do shipped+=("${path_of[$name]}") own+=("$work/m/$name.ko"); done
    ids "${shipped[@]}" >"$work/ids.shipped" || return 1
    ids "${own[@]}" >"$work/ids.own" || return 1
    diff "$work/ids.shipped" "$work/ids.own" || return 1
    ids --summary "${own[@]}"
}
if same_ids >"$work/ids.log" 2>&1; then
    verdict ok "ids by name, as their symbols say and as in Debian's build" "$(tail -n 1 "$work/ids.log")"
else
    verdict FAILED "ids by name, as their symbols say and as in Debian's build" "$(tail -n 1 "$work/ids.log"), see $work/ids.log"
fi

# --- booting --------------------------------------------------------------------------------------------------------
# initramfs NAME: $work/NAME.cpio of the program, the modules, $work/NAME.plan, and what $work/NAME/ has instead
initramfs() {
    local dir=$work/root-$1
    mkdir "$dir"
    cp -r "$work/m" "$dir/m"
    [ ! -d "$work/$1" ] || cp "$work/$1"/* "$dir/m/"
    cp "$work/init" "$dir/init"
    cp "$work/$1.plan" "$dir/plan"
    cp "$work/base.btf" "$work/vmlinux.btf" "$dir/"
    pack "$dir" "$work/$1.cpio"
    rm -rf "$dir"
}
# boot NAME: leaves $work/NAME.report and $work/NAME.log; fails if the report is not whole
boot() {
    local status=0 count
    machine "$kernel/vmlinuz" "$work/$1.cpio" "$work/$1" "$limit" 7 || status=$?
    rm -f "$work/$1.cpio"
    tr -d '\r' <"$work/$1.report" >"$work/$1.lines"
    count=$(sed -n 's/^end\t//p' "$work/$1.lines")
    if [ "$status" -ne 0 ] || [ -z "$count" ] || [ "$count" -ne "$(grep -cE $'^(ok|FAILED)\t' "$work/$1.lines")" ]; then
        tail -n 5 "$work/$1.qemu" "$work/$1.log" >&2
        say "the report is not whole, or the machine ended with status $status; $work/$1.log"
        return 1
    fi
}

{
    echo "base /base.btf"
    echo "btf btfgen's_vmlinux /vmlinux.btf"
    for name in "${order[@]}"; do
        [ "$name" = "$victim" ] || echo "module $name ${expected[$name]:-}"
    done
    for name in "${order[@]}"; do echo "resolve $name"; done
    for entry in "${kfuncs[@]}"; do
        [ -z "${wanted[${entry%:*}]:-}" ] || echo "kfuncs ${entry/:/ }"
    done
    [ -z "${wanted[nf_conntrack]:-}" ] || echo conntrack
    [ -z "${wanted[fou]:-}" ] || echo fou
    [ -z "${wanted[af_key]:-}" ] || echo fentry
    echo "corrupt $victim"
} >"$work/main.plan"

section "booting $(cat "$kernel/release") with them"
began=$(date +%s%N)
initramfs main
if boot main; then
    while IFS=$'\t' read -r result what detail; do
        [ "$result" = end ] || verdict "$result" "$what" "$detail"
    done <"$work/main.lines"
    # Up to where the damage begins: the log's complaints about that are wanted.
    sed '/btfgen-test: damaged BTF from here on/,$d' "$work/main.log" >"$work/main.log.good"
    sed '1,/btfgen-test: damaged BTF from here on/d' "$work/main.log" >"$work/main.log.bad"
    complaints='BTF|BPF:|kfunc|struct_ops|resolve_btfids|WARNING|BUG|Oops|Call Trace|Unknown symbol|disagrees about|Invalid|general protection'
    if grep -aE "$complaints" "$work/main.log.good" >"$work/complaints"; then
        verdict FAILED "kernel log" "$(wc -l <"$work/complaints") complaints"
        head -n 20 "$work/complaints" | sed 's/^/            /'
    else
        verdict ok "kernel log" "no complaint in $(wc -l <"$work/main.log.good") lines"
    fi
    if grep -qaE 'failed to validate module.*BTF' "$work/main.log.bad"; then
        verdict ok "kernel log on damaged modules" "$(grep -acE 'failed to validate module.*BTF' "$work/main.log.bad") complaints"
    else
        verdict FAILED "kernel log on damaged modules" "no complaint: it is not read as it should"
    fi
    say "(booting and checking took $(seconds "$began") s)"
else
    verdict FAILED "the machine" "see $work/main.log, $work/main.report"
fi

# --- can it fail? ---------------------------------------------------------------------------------------------------
section "the same checks on damaged files"
# A module whose BTF has a wrong byte; a sound one; one that is not what it is compared with; one where a kfunc has another one's id.
self_test() {
    local offset dir=$work/self
    mkdir "$dir"
    cp "$work/m/dummy.ko" "$work/m/stp.btf" "$dir/"
    offset=$(readelf -SW "$dir/dummy.ko" | sed -n 's/.* \.BTF  *PROGBITS  *[0-9a-f]*  *\([0-9a-f]*\) .*/\1/p')
    printf '\0' | dd of="$dir/dummy.ko" bs=1 seek=$((0x$offset)) conv=notrunc status=none
    printf '\377' | dd of="$dir/stp.btf" bs=1 seek=100 conv=notrunc status=none
    objcopy --dump-section .BTF_ids="$work/ids" "$work/m/tcp_dctcp.ko" /dev/null
    # The first kfunc of the set gets the id of the second one.
    python3 -c 'import sys; d = bytearray(open(sys.argv[1], "rb").read()); d[8:12] = d[16:20]
open(sys.argv[1], "wb").write(d)' "$work/ids"
    objcopy --update-section .BTF_ids="$work/ids" "$work/m/tcp_dctcp.ko" "$dir/tcp_dctcp.ko"
    { printf 'module %s\n' dummy llc stp tcp_dctcp; echo "kfuncs tcp_dctcp 1"; } >"$work/self.plan"
    initramfs self
    boot self || return 1
    cat "$work/self.lines"
    [ "$(cut -f 1,2 "$work/self.lines" | tr '\n\t' ', ')" = \
        "FAILED module dummy,ok module llc,FAILED module stp,ok module tcp_dctcp,FAILED kfuncs of tcp_dctcp,end 5," ] ||
        { echo "not what was expected"; return 1; }
    echo "three failures seen, as there are"
}
if [ $# -ge 60 ]; then
    began=$(date +%s%N)
    if self_test >"$work/self.out" 2>&1; then
        verdict ok "damaged files" "$(tail -n 1 "$work/self.out") ($(seconds "$began") s)"
    else
        verdict FAILED "damaged files" "$(tail -n 1 "$work/self.out"), see $work/self.out"
    fi
else
    say "left out: this is for the whole selection"
fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
