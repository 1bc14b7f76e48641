# shellcheck shell=bash
# Boots a kernel with an initramfs in QEMU (software emulation, no KVM and no root needed). To be sourced after lib.sh.

# machine KERNEL CPIO NAME SECONDS LOGLEVEL: runs until the machine turns itself off; NAME.log is the kernel's log, NAME.report what init
# wrote on the second serial port. Returns QEMU's status.
machine() {
    # No network and no disk. Where emulation is slow, kernels find that their timer does not work; it does.
    timeout -k 10 "$4" qemu-system-x86_64 -accel tcg,thread=single -machine q35 -cpu Nehalem -smp 2 -m 2048 -nodefaults -display none \
        -no-reboot -kernel "$1" -initrd "$2" -serial "file:$3.log" -serial "file:$3.report" \
        -append "console=ttyS0 panic=-1 loglevel=$5 initcall_debug printk.devkmsg=on log_buf_len=16M mitigations=off no_timer_check rdinit=/init" \
        </dev/null >"$3.qemu" 2>&1
}

# pack DIR CPIO: a folder as an initramfs, whose files are root's.
pack() { (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$2"; }
