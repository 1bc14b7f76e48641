# shellcheck shell=bash
# How the small kernels of builds/ in the cache are built: shared by get-kernel-build.sh, which compiles them, and relink-kernel.sh,
# which redoes their BTF. To be sourced after lib.sh.

kernel_build_dir() { echo "$cache/builds/$1"; }

# kernel_make_arguments SERIES: whatever is built of a kernel is built with these. Date and names do not come from the machine.
kernel_make_arguments() {
    local cc=gcc-14
    [ "$1" != 6.1 ] || cc=gcc-12
    printf '%s\n' CC=$cc HOSTCC=$cc KBUILD_BUILD_TIMESTAMP=2026-01-01 KBUILD_BUILD_VERSION=1 KBUILD_BUILD_USER=btfgen KBUILD_BUILD_HOST=btfgen
}
# kernel_make SERIES SOURCE BUILD ARGUMENT...: make, which sees these two folders as /usr/src/linux and /usr/src/build. $SHOW: more to see.
kernel_make() {
    local arguments
    mapfile -t arguments < <(kernel_make_arguments "$1")
    SHOW="$2=/usr/src/linux $3=/usr/src/build ${SHOW:-}" "$scripts/in-debian-root.sh" "$compiler_suite" make "${arguments[@]}" "${@:4}"
}
# kernel_results BUILD OUT: vmlinux and the modules of a build, into OUT/vmlinux and OUT/modules/
kernel_results() {
    mkdir -p "$2/modules"
    cp --reflink=auto "$1/vmlinux" "$2/vmlinux"
    find "$1" -name '*.ko' -exec cp --reflink=auto -t "$2/modules" {} +
}
# kernel_unlink BUILD: takes away all that comes after the object files
kernel_unlink() {
    rm -f "$1"/vmlinux "$1"/vmlinux.unstripped "$1"/.tmp_vmlinux* "$1"/.btf.* "$1"/System.map
    find "$1" -name '*.ko' -delete
}
