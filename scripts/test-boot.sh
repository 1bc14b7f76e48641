#!/bin/bash
# Boots real kernels with modules that btfgen encoded, and asks the kernels what they think of them:
#   test-boot.sh [MODULE...]         the driver behind `make test-boot`; without names, the selection below, and the second kernel
# Environment:
#   BTFGEN        the program under test (default: target/release/btfgen of this tree)
#   BTFGEN_WORK   where results and logs go (default: work/boot in the cache); emptied first
#   TIME_LIMIT    seconds for one boot (default 400)
# Two kernels run in QEMU (software emulation, no KVM needed), with an initramfs of tests/boot/init.c and the modules: Debian's 7.3 cloud kernel,
# whose modules btfgen encodes in one step on the BTF that the kernel ships with; and the small 7.3 of get-kernel-build.sh, whose BTF, ids and modules are
# all btfgen's, with the patch of contrib/kbuild. What is checked stands at the top of tests/boot/init.c; besides, the kernel's log must
# hold no complaint, and more boots prove that the checks can fail.
# Prints one line per check, `ok` or `FAILED`, and `N passed, N failed` at the end. Exit status 1 if any failed. Needs no root.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$scripts/lib-boot.sh"

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

# --- Debian's kernel ------------------------------------------------------------------------------------------------
"$scripts/get-kernel.sh" "$series" --image
kernel=$(kernel_dir "$series")
vmlinux=$kernel/vmlinux

lock "$work.lock"
rm -rf "$work"
debian=$work/debian
mkdir -p "$debian/m"
gcc -O2 -Wall -static -o "$work/init" "$root/tests/boot/init.c"
stop() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

whole=''
[ $# -gt 0 ] || { whole=1; set -- "${selection[@]}" "${!expected[@]}"; }
module_paths "$kernel/modules"
for name in "$@"; do want "$name"; done
want "$victim"

# The modules are finished ones: btfgen puts their .BTF_ids into link-time order itself.
encode() {
    local name files=()
    for name in "${order[@]}"; do
        cp "${path_of[$name]}" "$debian/m/$name.ko"
        files+=("$debian/m/$name.ko")
    done
    "$btfgen" --btf_base "$vmlinux" "${files[@]}" && finish "$debian"
}
section "encoding in one step"
ln -s "$kernel/vmlinuz" "$debian/image"
objcopy --dump-section .BTF="$debian/base.btf" "$vmlinux" /dev/null
step "modules with their dependencies" "$work/encode.log" encode || stop
"$btfgen" --btf_encode_detached="$debian/vmlinux.btf" "$vmlinux"

# The ids by name: what the symbols say, and what Debian's build put there, with the same flags.
ids() { # ids FILE...: what they mean
    "$scripts/python.sh" "$scripts/btfids.py" --base "$debian/base.btf" "$@"
}
same_ids() {
    local name shipped=() own=()
    for name in "${order[@]}"; do shipped+=("${path_of[$name]}") own+=("$debian/m/$name.ko"); done
    ids "${shipped[@]}" >"$work/ids.shipped" || return 1
    ids "${own[@]}" >"$work/ids.own" || return 1
    diff "$work/ids.shipped" "$work/ids.own" || return 1
    ids --summary "${own[@]}"
}
step "ids by name, as their symbols say and as in Debian's build" "$work/ids.log" same_ids || true

section "booting $(cat "$kernel/release") with them"
plan "$victim" >"$work/main.plan"
boot_and_judge "$debian" main

# --- can it fail? ---------------------------------------------------------------------------------------------------
# A base that is another one; a module whose BTF has a wrong byte; a sound one; one that is not what it is compared with; one where a
# kfunc has another one's id.
self_test() {
    local offset dir=$work/self
    mkdir -p "$dir/m"
    cp "$debian/m/dummy.ko" "$debian/m/stp.btf" "$dir/m/"
    offset=$(readelf -SW "$dir/m/dummy.ko" | sed -n 's/.* \.BTF  *PROGBITS  *[0-9a-f]*  *\([0-9a-f]*\) .*/\1/p')
    printf '\0' | dd of="$dir/m/dummy.ko" bs=1 seek=$((0x$offset)) conv=notrunc status=none
    printf '\377' | dd of="$dir/m/stp.btf" bs=1 seek=100 conv=notrunc status=none
    objcopy --dump-section .BTF_ids="$work/ids" "$debian/m/tcp_dctcp.ko" /dev/null
    # The first kfunc of the set gets the id of the second one.
    python3 -c 'import sys; d = bytearray(open(sys.argv[1], "rb").read()); d[8:12] = d[16:20]
open(sys.argv[1], "wb").write(d)' "$work/ids"
    objcopy --update-section .BTF_ids="$work/ids" "$debian/m/tcp_dctcp.ko" "$dir/m/tcp_dctcp.ko"
    { echo "base /vmlinux.btf"; printf 'module %s\n' dummy llc stp tcp_dctcp; echo "kfuncs tcp_dctcp 1"; } >"$work/self.plan"
    boot "$debian" self || return 1
    cat "$work/self.lines"
    [ "$(cut -f 1,2 "$work/self.lines" | tr '\n\t' ', ')" = \
        "FAILED the running kernel's BTF is the base,FAILED module dummy,ok module llc,FAILED module stp,ok module tcp_dctcp,FAILED kfuncs of tcp_dctcp,end 6," ] ||
        { echo "not what was expected"; return 1; }
    echo "four failures seen, as there are"
}
if [ -z "$whole" ]; then
    say "left out: damaged files and the second kernel, for they go with the whole selection"
    stop
fi
section "the same checks on damaged files"
step "damaged files" "$work/self.out" self_test || true

# --- a kernel of our own --------------------------------------------------------------------------------------------
"$scripts/get-kernel-build.sh" "$series"
own=$work/own
built=$cache/work/kbuild/kernel-$series-one-shot
mkdir -p "$own/m"
expected=()
victim=dummy
# As many as in its configuration.
own_kfuncs=(nf_conntrack:10 nf_nat:1 fou:2 xfrm_interface:2 tcp_bbr:5 tcp_dctcp:5)
# The kernel that test-kbuild.sh left there, if that was made by this btfgen; else it is made now.
make_own() {
    local name
    BTFGEN=$btfgen "$scripts/relink-kernel.sh" "$series" one-shot "$built" -j2 || return 1
    objcopy --strip-debug "$built/vmlinux" "$own/image" || return 1
    objcopy --dump-section .BTF="$own/base.btf" "$built/vmlinux" /dev/null || return 1
    "$btfgen" --btf_encode_detached="$own/vmlinux.btf" "$built/vmlinux" || return 1
    for name in "${built}"/modules/*.ko; do cp "$name" "$own/m/$(basename "$name" .ko | tr - _).ko"; done
}
section "a kernel whose BTF is all by btfgen"
step "the kernel" "$work/own.log" make_own || stop
module_paths "$own/m"
for name in "${!path_of[@]}"; do want "$name"; done
step "its modules" "$work/own-modules.log" finish "$own" || stop
kfuncs=("${own_kfuncs[@]}")
plan "$victim" >"$work/own.plan"
boot_and_judge "$own" own

# The same kernel, none of whose own ids is resolved.
without_ids() {
    local place
    mkdir -p "$work/no-ids-system"
    cp -r "$own"/. "$work/no-ids-system"
    # Address, offset and size of .BTF_ids.
    read -r _ place < <(readelf -SW "$own/image" | sed -n 's/.* \.BTF_ids  *PROGBITS  *\([0-9a-f]*  *[0-9a-f]*  *[0-9a-f]*\) .*/\1/p')
    head -c $((0x${place#* })) /dev/zero | dd of="$work/no-ids-system/image" bs=1 seek=$((0x${place% *})) conv=notrunc status=none
    { echo "base /base.btf"; echo "module tcp_bbr"; echo "kfuncs tcp_bbr 5"; } >"$work/no-ids.plan"
    boot "$work/no-ids-system" no-ids || return 1
    cat "$work/no-ids.lines"
    grep -aE "$complaints" "$work/no-ids.log" || { echo "no complaint in the kernel's log"; return 1; }
    echo "$(grep -acE "$complaints" "$work/no-ids.log") complaints of the kernel"
}
step "without ids in vmlinux the kernel complains" "$work/no-ids.out" without_ids || true

stop
