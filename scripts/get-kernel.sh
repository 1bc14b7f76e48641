#!/bin/bash
# Fetches a real Debian kernel with full DWARF to encode:
#   get-kernel.sh KERNEL [OPTION...]        6.1, 6.12 or 7.3, into the cache
#   get-kernel.sh DEST SUITE [OPTION...]    the newest kernel of a suite (bookworm, trixie, trixie-backports, sid), into DEST
# Options:
#   --flavour F   cloud-amd64 (default: 300 MB down, 2 GB unpacked, about 1,000 modules), amd64 (1.2 GB, 8 GB, 4,000), ...
#   --arch A      amd64 (default), arm64, s390x (big-endian), armhf, ...; the flavour follows if it is not given
#   --few         vmlinux and three modules, into a folder whose name ends in -few: as much to fetch, a tenth of the room
#   --headers     also the kbuild tree for out-of-tree modules (it holds a BTF-only vmlinux from 7.x on)
#   --image       also the kernel that boots (100 MB down)
# Result:
#   vmlinux       the unstripped kernel (DWARF, and .BTF as Debian's build made it)
#   modules/      its unstripped modules, *.ko, likewise
#   release       one line, the kernel's release, such as 6.12.107+deb13-cloud-amd64
#   headers       with --headers
#   vmlinuz       with --image
# A second run does nothing. All is put together in DEST.part and renamed at the end, so DEST is whole or not there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

positional=() flavour='' arch=amd64 headers='' image='' few=''
while [ $# -gt 0 ]; do
    case $1 in
    --flavour) flavour=${2:?--flavour wants a name}; shift 2 ;;
    --arch) arch=${2:?--arch wants a name}; shift 2 ;;
    --few) few=1; shift ;;
    --headers) headers=1; shift ;;
    --image) image=1; shift ;;
    -*) say "unknown option $1"; usage ;;
    *) positional+=("$1"); shift ;;
    esac
done
[ -n "$flavour" ] || flavour=$(kernel_flavour "$arch")
case ${#positional[@]} in
1)
    series=${positional[0]} version=${positional[0]//./\\.}
    suite=$(kernel_suite "$series")
    dest=$(kernel_dir "$series" "$arch" "$flavour")
    ;;
2) series='' version='[0-9]+\.[0-9]+' dest=${positional[0]} suite=${positional[1]} ;;
*) usage ;;
esac
dest+=${few:+-few}
need dpkg-deb dpkg
need flock util-linux
mkdir -p "$(dirname "$dest")"
dest=$(cd "$(dirname "$dest")" && pwd)/$(basename "$dest")
part=$dest.part
lock "$dest.lock"
trap 'rm -rf "$part"' EXIT

if [ -e "$dest" ] && [ ! -e "$dest/.complete" ] && [ -n "$(ls -A "$dest")" ]; then
    die "$dest exists and was not made by this script (no file .complete): remove it or choose another place"
fi
fl=${flavour//./\\.}
newest() { # newest PREFIX REGEX: the newest package whose name matches
    apt-cache -c "$part/apt/apt.conf" pkgnames "$1" | { grep -E "^($2)\$" || true; } | sort -V | tail -n 1
}
fetch() { # fetch DIR PACKAGE...: downloads and unpacks one after the other, to need little room; with $unpack, files of such names
    local into=$1 package
    shift
    for package in "$@"; do
        say "  $package"
        (cd "$part" && apt-get -c "$part/apt/apt.conf" -qq download "$package") || die "cannot download $package"
        mkdir -p "$into"
        dpkg-deb --fsys-tarfile "$part"/*.deb | tar -x -C "$into" --wildcards "${unpack[@]}" || die "cannot unpack $package into $into (disk full?)"
        rm -f "$part"/*.deb
    done
}
unpack=()
only() { # only FIND-ARGUMENT...: the first hit, relative to $part; fails when there is none
    local hit
    hit=$(cd "$part" && find "$@" 2>/dev/null | sort | head -n 1)
    [ -n "$hit" ] || return 1
    echo "$hit"
}
prepare() {
    rm -rf "$part"
    mkdir -p "$part"
    "$scripts/debian-apt.sh" "$part/apt" "$suite" "$arch"
}

if [ ! -e "$dest/.complete" ]; then
    say "fetching the kernel of $suite ($flavour) into $dest"
    prepare
    package=$(newest linux-image- "linux-image-${version}(\\.[0-9]+)*(\\+[a-z0-9.]+|-[0-9]+)?-$fl-dbg")
    if [ -z "$package" ]; then
        others=$(newest linux-image- "linux-image-[0-9].*-$fl-dbg")
        die "no kernel ${series:+$series }with debug information for $flavour in $suite${others:+ (the newest there is $others: change the table in scripts/lib.sh)}"
    fi
    if [ -n "$few" ]; then
        unpack=("${few_modules[@]/#/*/}")
        unpack=('*/vmlinux*' "${unpack[@]/%/.ko}")
    fi
    fetch "$part/root" "$package"
    unpack=()
    vmlinux=$(only root/usr/lib/debug -type f -name 'vmlinux*') || die "$package holds no vmlinux"
    modules=$(only root/usr/lib/debug/lib/modules -mindepth 2 -maxdepth 2 -name kernel) || die "$package holds no modules"
    ln -s "$vmlinux" "$part/vmlinux"
    ln -s "$modules" "$part/modules"
    basename "$(dirname "$modules")" >"$part/release"
    rm -rf "$part/apt"
    echo "$package $suite $arch $flavour" >"$part/.complete"
    if [ -d "$dest" ]; then rmdir "$dest"; fi
    mv "$part" "$dest"
fi

if [ -n "$headers" ] && [ ! -e "$dest/headers" ]; then
    prepare
    release=$(cat "$dest/release") base=${release%-"$flavour"}
    common=$(newest linux-headers- "linux-headers-${base//[.+]/.}-common")
    kbuild=$(newest linux-kbuild- "linux-kbuild-${base//[.+]/.}|linux-kbuild-$(echo "$base" | cut -d. -f1,2)")
    if [ -z "$common" ] || [ -z "$kbuild" ]; then die "the headers of $release are not in $suite any more"; fi
    mkdir "$part/tree"
    fetch "$part/tree" "linux-headers-$release" "$common" "$kbuild"
    # The packages refer to each other by absolute paths: point them to where the tree will be.
    find "$part/tree/usr/src" -maxdepth 2 -name Makefile -type f -exec sed -i \
        "s#/usr/src/#$dest/headers-root/usr/src/#g; s#/usr/lib/linux-kbuild#$dest/headers-root/usr/lib/linux-kbuild#g" {} +
    rm -rf "$dest/headers-root"
    mv "$part/tree" "$dest/headers-root"
    ln -s "headers-root/usr/src/linux-headers-$release" "$dest/headers"
fi
if [ -n "$image" ] && [ ! -e "$dest/vmlinuz" ]; then
    prepare
    release=$(cat "$dest/release")
    # In later releases the image package is an empty one that depends on linux-binary-.
    binary=$(apt-cache -c "$part/apt/apt.conf" pkgnames linux-binary- | { grep -xF "linux-binary-$release" || true; })
    fetch "$part/image" "${binary:-linux-image-$release}"
    vmlinuz=$(only image -type f -name "vmlinuz*") || die "${binary:-linux-image-$release} holds no vmlinuz"
    mv "$part/$vmlinuz" "$dest/vmlinuz"
fi
say "kernel $(cat "$dest/release"): vmlinux $(stat -L -c %s "$dest/vmlinux") bytes, $(find -L "$dest/modules" -name '*.ko' | wc -l) modules, in $dest"
