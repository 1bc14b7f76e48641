#!/bin/bash
# Compiles a small kernel with modules from Debian's source package, once, so that tests need to redo its BTF only:
#   get-kernel-build.sh SERIES       6.1, 6.12 or 7.3, into builds/SERIES of the cache; relink-kernel.sh goes on from there
# Result:
#   source/       the source as Debian has it, without most of what x86-64 does not need
#   build/        all object files; vmlinux and the modules are not linked
#   reference/    vmlinux and modules as the reference tools and the tree's own resolve_btfids made them: see relink-kernel.sh
#   compiler      what it was compiled with
# tests/kbuild/kernel/ has the configuration. The compilers are those of a Debian root (get-debian-root.sh); paths of this
# machine do not get into the result, since the source is /usr/src/linux there and the output /usr/src/build.
# A second run does nothing, unless the configuration has changed. All is put together in DEST.part and renamed at the end.
# 170 MB to fetch, 2 GB of cache; 15 minutes of processor time. $JOBS: default all cores.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$scripts/lib-kernel-build.sh"

[ $# -eq 1 ] || usage
series=$1
suite=$(kernel_suite "$series")
dest=$(kernel_build_dir "$series") part=$(kernel_build_dir "$series").part
need dpkg-deb dpkg
need flock util-linux
need xz xz-utils
"$scripts/get-reference-tools.sh" 1.32
"$scripts/get-debian-root.sh" "$compiler_suite" "${compiler_packages[@]}"
lock "$dest.lock"
trap 'rm -rf "$part"' EXIT

fragments=("$root/tests/kbuild/kernel/config")
[ ! -e "$root/tests/kbuild/kernel/config-$series" ] || fragments+=("$root/tests/kbuild/kernel/config-$series")
made_from=$(grep -hv '^#' "${fragments[@]}" <(kernel_make_arguments "$series") | sha256sum | cut -d ' ' -f 1)

# What cannot be fetched at once, or is of no use here. Kconfig and make files of everything must stay.
unpack() { # unpack TARBALL
    tar -C "$part" -xJf "$1" --anchored --wildcards --exclude='linux-source-*/arch/[!x]*/*.[chS]' --exclude='linux-source-*/arch/[!x]*.dts*' \
        --exclude='linux-source-*/drivers/gpu/*.[ch]' --exclude='linux-source-*/sound/*.[ch]' --exclude='linux-source-*/Documentation/*.rst' \
        --exclude='linux-source-*/Documentation/*.yaml' || die "cannot unpack $1 (disk full?)"
    mv "$part/linux-source-$series" "$part/source"
}
run_make() { # with the reference tools; all it says goes into $part/make.log
    kernel_make "$series" "$part/source" "$part/build" PAHOLE="$(tools_dir 1.32)/bin/pahole" "$@" >>"$part/make.log" 2>&1 </dev/null || {
        tail -n 20 "$part/make.log" >&2
        cp "$part/make.log" "$dest.failed.log"
        die "make $* failed: $dest.failed.log"
    }
}
# What the fragments ask for and Kconfig did not give: a dependency is missing there, or the option has another name.
check_config() {
    local line bad=0
    while read -r line; do
        case $line in
        '' | '#'*) continue ;;
        esac
        if ! grep -qxF "$line" "$part/build/.config"; then
            say "not in .config: $line"
            bad=1
        fi
    done < <(cat "${fragments[@]}")
    [ $bad = 0 ] || die "Linux $series has no such configuration"
}

if [ ! -e "$dest/.complete" ] || [ "$(cut -d ' ' -f 1 "$dest/.complete")" != "$made_from" ]; then
    say "compiling a small Linux $series in $dest"
    began=$SECONDS
    rm -rf "$part"
    mkdir -p "$part/build"
    "$scripts/debian-apt.sh" "$part/apt" "$suite"
    (cd "$part" && apt-get -c "$part/apt/apt.conf" -qq download "linux-source-$series") || die "cannot download linux-source-$series of $suite"
    dpkg-deb -x "$part"/*.deb "$part/package"
    unpack "$part/package/usr/src/linux-source-$series.tar.xz"
    version=$(dpkg-deb -f "$part"/*.deb Version)
    rm -rf "$part/package" "$part/apt" "$part"/*.deb
    cat "${fragments[@]}" >"$part/build/fragments"
    run_make -C /usr/src/linux O=/usr/src/build KCONFIG_ALLCONFIG=/usr/src/build/fragments allnoconfig
    check_config
    run_make -C /usr/src/build -j"${JOBS:-$(nproc)}" vmlinux modules
    kernel_results "$part/build" "$part/reference"
    kernel_unlink "$part/build"
    sed -n 's/^CONFIG_CC_VERSION_TEXT="\(.*\)"/\1/p' "$part/build/.config" >"$part/compiler"
    echo "$made_from $version $(cat "$part/build/include/config/kernel.release")" >"$part/.complete"
    rm -rf "$dest" "$dest.failed.log"
    mv "$part" "$dest"
    say "(that took $((SECONDS - began)) s)"
fi
say "Linux $(cut -d ' ' -f 3 "$dest/.complete"), compiled, $(find "$dest/reference" -name '*.ko' | wc -l) modules, in $dest"
