#!/bin/bash
# Makes a private apt state for another Debian suite and leaves the system's apt alone:
#   debian-apt.sh DIR SUITE [ARCH]      then   apt-get -c DIR/apt.conf download PACKAGE
# The mirror is $BTFGEN_DEBIAN_MIRROR, else the one that this machine uses, else deb.debian.org.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || usage
mkdir -p "$1"
dir=$(cd "$1" && pwd) suite=$2 arch=${3:-amd64}
need apt-get apt

own_mirror() {
    # shellcheck disable=SC2016  # a format of apt, not a variable
    apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Identifier: Packages' 2>/dev/null | grep -v security | sort -u | head -n 1
}
listed_mirror() {
    grep -rhoE 'https?://[^ ]*/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -n 1
}
mirror=${BTFGEN_DEBIAN_MIRROR:-}
[ -n "$mirror" ] || mirror=$(own_mirror) || true
[ -n "$mirror" ] || mirror=$(listed_mirror) || true
[ -n "$mirror" ] || mirror=http://deb.debian.org/debian

mkdir -p "$dir"/etc/apt/{apt.conf.d,preferences.d,trusted.gpg.d,sources.list.d} \
    "$dir"/var/lib/apt/lists/partial "$dir"/var/cache/apt/archives/partial "$dir"/var/lib/dpkg
: >"$dir/var/lib/dpkg/status"
cp -r /etc/apt/apt.conf.d/. "$dir/etc/apt/apt.conf.d/" 2>/dev/null || true # proxies
keyring=$(find /usr/share/keyrings -name 'debian-archive-keyring.*' 2>/dev/null | sort | head -n 1)
[ -n "$keyring" ] || die "no Debian archive keyring: install the package \`debian-archive-keyring\`"
echo "deb [arch=$arch signed-by=$keyring] $mirror $suite main" >"$dir/etc/apt/sources.list"
cat >"$dir/apt.conf" <<END
Dir "$dir";
Dir::State::status "$dir/var/lib/dpkg/status";
APT::Architecture "$arch";
APT::Architectures "$arch";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Retries "3";
END
apt-get -c "$dir/apt.conf" -qq update || die "no package lists of $suite ($arch) from $mirror: is the network up, does the suite exist?"
