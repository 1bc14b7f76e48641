#!/bin/bash
# Lists the kernels with debug information that a Debian suite has now, as lines for kernels.tsv:
#   list-debian.sh SUITE VERSION_ID [ARCH [FLAVOUR]]     such as   list-debian.sh trixie-backports 13 arm64 cloud-arm64
# ARCH is Debian's name (default amd64); without FLAVOUR all of them, realtime kernels included. Downloads the suite's package lists, whose
# signatures apt checks; the checksums are from there. BTFGEN_DEBIAN_MIRROR is another mirror. The URLs are those of the mirror, which
# drops a kernel when the next one comes: with BTFGEN_DEBIAN_MIRROR=https://snapshot.debian.org/archive/debian/20261101T000000Z they stay.
set -euo pipefail
. "$(dirname "$0")/../../scripts/lib.sh"

[ $# -ge 2 ] && [ $# -le 4 ] || usage
suite=$1 version_id=$2 arch=${3:-amd64} flavour=${4:-}
case $arch in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
armhf) machine=armv7l ;;
i386) machine=i686 ;;
ppc64el) machine=ppc64le ;;
*) machine=$arch ;;
esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$scripts/debian-apt.sh" "$dir" "$suite" "$arch"
# linux-image-6.12.117+deb13-cloud-amd64-dbg, but not linux-image-cloud-amd64-dbg, which depends on the newest.
mapfile -t packages < <(apt-cache -c "$dir/apt.conf" pkgnames linux-image- | { grep -E "^linux-image-[0-9].*-${flavour//./\\.}${flavour:+-}dbg\$" || true; } | sort -V)
[ ${#packages[@]} -gt 0 ] || die "no kernel with debug information${flavour:+ for $flavour} in $suite ($arch)"
for package in "${packages[@]}"; do
    # 'URL' FILE SIZE SHA256:DIGEST
    read -r url _ _ digest < <(cd "$dir" && apt-get -c "$dir/apt.conf" -qq --print-uris download "$package")
    case $digest in SHA256:*) ;; *) die "$package: no SHA-256 in the package list" ;; esac
    release=${package#linux-image-}
    url=${url//\'/}
    printf 'debian\t%s\t%s\t%s\t%s\t%s\n' "$version_id" "$machine" "${release%-dbg}" "${url//%2b/+}" "${digest#SHA256:}"
done
