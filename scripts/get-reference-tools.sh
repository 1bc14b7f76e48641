#!/bin/bash
# Fetches reference tools to compare with (pahole, bpftool) from a Debian suite without touching the system:
#   get-reference-tools.sh VERSION          1.32 or 1.30, into the cache
#   get-reference-tools.sh DEST SUITE       those of a suite (sid, trixie, ...), into DEST
# Result: DEST/bin/pahole and DEST/bin/bpftool, wrappers that run the suite's programs on the suite's own C library, and
# DEST/version, one line: versions of pahole and libbpf. They are oracles, never needed to run btfgen.
# A second run does nothing. All is put together in DEST.part and renamed at the end, so DEST is whole or not there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

case $# in
1)
    version=$1
    dest=$(tools_dir "$1")
    suite=$(lookup "$reference_table" "$1")
    ;;
2) dest=$1 suite=$2 version= ;;
*) usage ;;
esac
[ "$(uname -m)" = x86_64 ] || die "the reference tools are fetched for x86-64 only; this is $(uname -m)"
need dpkg-deb dpkg
need flock util-linux
mkdir -p "$(dirname "$dest")"
dest=$(cd "$(dirname "$dest")" && pwd)/$(basename "$dest")
part=$dest.part
lock "$dest.lock"
trap 'rm -rf "$part"' EXIT

if [ ! -e "$dest/version" ]; then
    [ ! -e "$dest" ] || die "$dest exists and was not made by this script (no file \`version\`): remove it or choose another place"
    say "fetching pahole and bpftool of $suite into $dest"
    rm -rf "$part"
    mkdir -p "$part"/{debs,root,bin}
    "$scripts/debian-apt.sh" "$part/apt" "$suite"
    mapfile -t packages < <(apt-cache -c "$part/apt/apt.conf" depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances pahole bpftool | grep -E '^[a-z0-9]' | sort -u)
    [ ${#packages[@]} -gt 2 ] || die "$suite has no pahole and bpftool"
    (cd "$part/debs" && apt-get -c "$part/apt/apt.conf" -qq download "${packages[@]}") || die "cannot download: ${packages[*]}"
    for deb in "$part"/debs/*.deb; do
        dpkg-deb -x "$deb" "$part/root" || die "cannot unpack $deb"
    done
    # Merged-/usr suites put the loader into usr/lib, older ones into lib64.
    loader=$(cd "$part" && find root -name 'ld-linux-x86-64.so.2' | sort | head -n 1)
    [ -n "$loader" ] || die "the C library of $suite has no loader"
    for tool in pahole bpftool; do
        program=$(cd "$part" && find root/usr/bin root/usr/sbin -name "$tool" | head -n 1)
        [ -n "$program" ] || die "$suite has no $tool"
        # shellcheck disable=SC2016
        printf '#!/bin/sh\nhere=${0%%/*}/..\nexec "$here/%s" --library-path "$here/root/usr/lib/x86_64-linux-gnu:$here/root/lib/x86_64-linux-gnu" "$here/%s" "$@"\n' \
            "$loader" "$program" >"$part/bin/$tool"
        chmod +x "$part/bin/$tool"
    done
    found=$("$part/bin/pahole" --version) || die "the fetched pahole does not run"
    libbpf=$("$part/bin/bpftool" version | sed -n 's/^using libbpf v//p')
    shared=$(find "$part/root" -name 'libbpf.so.1.*' -printf '%f\n' | sort | head -n 1)
    if [ -n "$version" ] && [ "$found" != "v$version" ]; then
        die "$suite has pahole $found now, not v$version: change the table in scripts/lib.sh"
    fi
    rm -rf "$part/apt" "$part/debs"
    echo "pahole-${found#v} libbpf-${shared#libbpf.so.} (bpftool: libbpf $libbpf)" >"$part/version"
    mv "$part" "$dest"
fi
say "$(cat "$dest/version"), in $dest/bin"
