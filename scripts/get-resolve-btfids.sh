#!/bin/bash
# Fetches the kernel's own resolve_btfids (Debian's linux-kbuild package) to compare with, without touching the system:
#   get-resolve-btfids.sh KERNEL     6.1, 6.12 or 7.3, into the cache
# Result: $BTFGEN_CACHE/tools/resolve_btfids-KERNEL/resolve_btfids, a wrapper that runs it on the C library of the reference tools.
# A second run does nothing. All is put together in a folder .part and renamed at the end.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || usage
suite=$(kernel_suite "$1")
[ "$(uname -m)" = x86_64 ] || die "the reference tools are fetched for x86-64 only; this is $(uname -m)"
need dpkg-deb dpkg
need flock util-linux
"$scripts/get-reference-tools.sh" 1.32
libraries=$(tools_dir 1.32)/root/usr/lib/x86_64-linux-gnu
dest=$cache/tools/resolve_btfids-$1 part=$cache/tools/resolve_btfids-$1.part
lock "$dest.lock"
trap 'rm -rf "$part"' EXIT

if [ ! -e "$dest/resolve_btfids" ]; then
    say "fetching resolve_btfids of Linux $1 ($suite) into $dest"
    rm -rf "$part"
    mkdir -p "$part/root"
    "$scripts/debian-apt.sh" "$part/apt" "$suite"
    package=$(apt-cache -c "$part/apt/apt.conf" pkgnames linux-kbuild- | { grep -E "^linux-kbuild-${1//./\\.}([.+-]|\$)" || true; } | sort -V | tail -n 1)
    [ -n "$package" ] || die "no linux-kbuild of $1 in $suite (change the table in scripts/lib.sh)"
    (cd "$part" && apt-get -c "$part/apt/apt.conf" -qq download "$package") || die "cannot download $package"
    dpkg-deb -x "$part"/*.deb "$part/root" || die "cannot unpack $package"
    program=$(cd "$part" && find root -name resolve_btfids -type f | head -n 1)
    [ -n "$program" ] || die "$package holds no resolve_btfids"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec "%s/ld-linux-x86-64.so.2" --library-path "%s" "${0%%/*}/%s" "$@"\n' \
        "$libraries" "$libraries" "$program" >"$part/resolve_btfids"
    chmod +x "$part/resolve_btfids"
    rm -rf "$part/apt" "$part"/*.deb
    mv "$part" "$dest"
fi
say "resolve_btfids of Linux $1, $dest/resolve_btfids"
