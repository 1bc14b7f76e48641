#!/bin/bash
# Sees to it that what a make target needs is installed:   setup.sh build|test|kernel [ARCH]|sources|archive|dump|boot|kbuild|faults|coverage|fuzz|check|deb|test-deb|report
#   build    Rust 1.85 or newer, a C linker
#   test     and a C and a C++ compiler with their headers, binutils, make: test inputs and kernel-fixtures/ are compiled. On Debian
#            also clang and gcc for other machines, and what reads manual pages and completions; elsewhere tests of those are ignored, and say so
#   kernel   and what fetches and compares Debian kernels: apt, dpkg, flock, python3 (numpy: see python.sh); with ARCH, binutils for it
#   sources  and dwz, clang, lld, llvm
#   archive  as kernel, and Python 3.11 with venv, make, compressors, rsync; from PyPI comes what contrib/archive/requirements.txt names
#   dump     as kernel, and clang
#   boot     and what kernels are compiled with in a Debian root (which has the compilers itself), QEMU for x86-64
#   kbuild   the same without QEMU, and make, gcc-12, DKMS, what the tools of Debian's header packages need
#   faults   as test, and strace, what limits files and mounts
#   coverage as test, and the LLVM tools that fit rustc, python3
#   fuzz     as build, and a C++ compiler for libFuzzer
#   check    Rust with rustfmt and clippy
#   deb      what Debian packages are made with
#   test-deb and lintian, mmdebstrap, a C compiler
#   report   as kernel, and Chromium, tidy
# As root on a system with apt, missing packages are installed; elsewhere this says what to install. Quiet when all is there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

rust_wanted=1.85
[ $# -eq 1 ] || [ "$# $1" = "2 kernel" ] || usage
packages=() other=()

want() { # want COMMAND PACKAGE
    command -v "$1" >/dev/null || packages+=("$2")
}
rust_is_new_enough() {
    local found
    found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || return 1
    [ -n "$found" ] && [ "$(printf '%s\n' "$rust_wanted" "$found" | sort -V | head -n 1)" = "$rust_wanted" ]
}
apt_can() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }
apt_rust_is_new_enough() {
    local candidate
    candidate=$(apt-cache policy cargo 2>/dev/null | sed -n 's/.*Candidate: *//p')
    [ -n "$candidate" ] && [ "$candidate" != '(none)' ] && dpkg --compare-versions "$candidate" ge "$rust_wanted"
}
need_rust() {
    if rust_is_new_enough; then return; fi
    if apt_can && ! command -v cargo >/dev/null && apt_rust_is_new_enough; then
        packages+=(cargo rustc)
    else
        other+=("Rust $rust_wanted or newer ($(cargo --version 2>/dev/null || echo 'no cargo here')): https://rustup.rs, or a distribution that has it")
    fi
}
need_cc() {
    want cc gcc
    # A compiler without the C library's headers and start files cannot build a program.
    if ! command -v cc >/dev/null || ! echo 'int main(void) { return 0; }' | cc -x c -include stdio.h - -o /dev/null 2>/dev/null; then
        packages+=(gcc libc6-dev)
    fi
}
need_component() { # COMMAND, rustup component, package
    if command -v cargo >/dev/null && ! cargo "$1" --version >/dev/null 2>&1; then
        if command -v rustup >/dev/null; then rustup component add "$2" >&2 || other+=("rustup component add $2"); else packages+=("$3"); fi
    fi
}

need_llvm() { # llvm-profdata and llvm-cov of the LLVM that rustc has: others cannot read what it writes
    local major host
    major=$(rustc -vV 2>/dev/null | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    host=$(rustc -vV 2>/dev/null | sed -n 's/^host: //p')
    if [ -z "$major" ] || [ -x "/usr/lib/llvm-$major/bin/llvm-cov" ] || [ -x "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-cov" ]; then return; fi
    if apt_can && apt-cache show "llvm-$major" >/dev/null 2>&1; then
        packages+=("llvm-$major")
    else
        other+=("rustup component add llvm-tools, or llvm-cov and llvm-profdata of LLVM $major")
    fi
}

need_test() {
    need_rust; need_cc
    want objcopy binutils
    want make make
    want g++ g++
    if apt_can; then
        for triple in aarch64-linux-gnu arm-linux-gnueabihf i686-linux-gnu mips-linux-gnu mips64el-linux-gnuabi64 powerpc64le-linux-gnu \
            riscv64-linux-gnu s390x-linux-gnu; do
            want "$triple-gcc" "gcc-$triple"
        done
        want clang clang
        # Older ones do not know LoongArch.
        if ! clang --target=loongarch64-linux-gnu -c -x c -o /dev/null /dev/null 2>/dev/null; then
            want clang-19 clang-19
            want ld.lld-19 lld-19
        else
            want ld.lld lld
        fi
        for reader in zsh fish mandoc groff; do want "$reader" "$reader"; done
    fi
}

case $1 in
build) need_rust; need_cc ;;
test) need_test ;;
fuzz) need_rust; need_cc; want c++ g++ ;;
kernel | sources | archive | dump | boot | kbuild | report)
    need_rust; need_cc
    want objcopy binutils
    want python3 python3
    want flock util-linux
    want diff diffutils
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        other+=("apt and dpkg, to fetch Debian's kernels (other distributions package them)")
    fi
    if [ $# -eq 2 ]; then
        kernel_flavour "$2" >/dev/null
        objcopy=$(arch_tool "$2" objcopy)
        package=binutils-${objcopy%-objcopy}
        [ "$2" = amd64 ] || want "$objcopy" "${package//_/-}"
    fi
    if [ "$1" = sources ]; then
        want dwz dwz
        want clang clang
        want ld.lld lld
        want llvm-dwp llvm
    fi
    if [ "$1" = archive ]; then
        want make make
        want xz xz-utils
        want zstd zstd
        want rsync rsync
        if ! python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then packages+=(python3-venv); else other+=("Python 3.11 or newer"); fi
        fi
    fi
    if [ "$1" = dump ]; then want clang clang; fi
    if [ "$1" = report ]; then
        want tidy tidy
        command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium)
    fi
    if [ "$1" = boot ] || [ "$1" = kbuild ]; then
        want cpio cpio
        want patch patch
        want xz xz-utils
        want unshare util-linux
    fi
    [ "$1" != boot ] || want qemu-system-x86_64 qemu-system-x86
    if [ "$1" = kbuild ]; then
        want make make
        want dkms dkms
        want gcc-12 gcc-12
        want readelf binutils
        [ -e /usr/lib/x86_64-linux-gnu/libelf.so.1 ] || packages+=(libelf1)
    fi
    ;;
faults) need_rust; need_cc; want objcopy binutils; want make make; want strace strace; want prlimit util-linux; want mount mount ;;
coverage) need_test; want python3 python3; need_llvm ;;
deb | test-deb)
    want dpkg-shlibdeps dpkg-dev
    want strip binutils
    if [ "$1" = test-deb ]; then need_cc; want lintian lintian; want mmdebstrap mmdebstrap; want unshare util-linux; fi
    ;;
check) need_rust; need_cc; need_component fmt rustfmt rustfmt; need_component clippy clippy rust-clippy ;;
*) usage ;;
esac

if [ ${#packages[@]} -gt 0 ]; then
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    if apt_can; then
        say "installing ${packages[*]}"
        log=$(mktemp)
        if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
            tail -n 10 "$log" >&2
            die "apt-get could not install ${packages[*]} (all it said: $log)"
        fi
        rm -f "$log"
    else
        other+=("the packages ${packages[*]} (Debian's names)")
    fi
fi
if [ ${#other[@]} -gt 0 ]; then
    say "missing for \`make\` ($1):"
    printf '  %s\n' "${other[@]}" >&2
    exit 1
fi
