#!/bin/bash
# Unpacks packages of a Debian suite, and what they depend on, to run programs there with in-debian-root.sh:
#   get-debian-root.sh SUITE PACKAGE...      into roots/SUITE in the cache
# No maintainer script runs: enough for a compiler and make, not a system. Needs no root. A second run does nothing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || usage
suite=$1
shift
need dpkg-deb dpkg
need flock util-linux
dest=$cache/roots/$suite part=$cache/roots/$suite.part
lock "$dest.lock"
trap 'rm -rf "$part"' EXIT

if [ ! -e "$dest/.complete" ] || [ "$(cat "$dest/.complete")" != "$*" ]; then
    say "unpacking $* of $suite into $dest"
    rm -rf "$part"
    mkdir -p "$part/root"
    "$scripts/debian-apt.sh" "$part/apt" "$suite"
    apt-get -c "$part/apt/apt.conf" -qq -y --no-install-recommends --download-only install base-files dash bash coreutils libc-bin "$@" >&2 ||
        die "cannot download $* of $suite"
    # base-files first: it has the links /bin -> usr/bin that the others rely on.
    for package in "$part"/apt/var/cache/apt/archives/{base-files_,}*.deb; do
        dpkg-deb -x "$package" "$part/root" || die "cannot unpack $package"
    done
    [ -e "$part/root/usr/bin/sh" ] || ln -s dash "$part/root/usr/bin/sh"
    # Links that a maintainer script would make.
    [ ! -e "$part/root/usr/bin/gawk" ] || ln -sf gawk "$part/root/usr/bin/awk"
    mkdir -p "$part/root/dev" "$part/root/proc" "$part/root/tmp"
    echo "$*" >"$part/root/.complete"
    rm -rf "$dest"
    mv "$part/root" "$dest"
fi
say "packages of Debian $suite, in $dest"
