#!/bin/bash
# Makes a Debian package of what `make` has built, from contrib/debian:   make-deb.sh FOLDER   prints its path
# Without debhelper: `make install` into an empty folder, then what Debian's policy wants beyond that. The same program makes the same package,
# byte for byte; its date is that of contrib/debian/changelog, or $SOURCE_DATE_EPOCH.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || usage
mkdir -p "$1"
out=$(cd "$1" && pwd)
debian=$root/contrib/debian
for tool in dpkg-deb:dpkg dpkg-parsechangelog:dpkg-dev dpkg-shlibdeps:dpkg-dev dpkg-gencontrol:dpkg-dev strip:binutils; do
    need "${tool%%:*}" "${tool##*:}"
done
field() { dpkg-parsechangelog -l "$debian/changelog" -S "$1"; }
version=$(field Version)
[ "${version%-*}" = "$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")" ] || die "contrib/debian/changelog is of another version than Cargo.toml"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(field Timestamp)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
stage=$work/stage
doc=$stage/usr/share/doc/btfgen
make -s -C "$root" install DESTDIR="$stage" PREFIX=/usr ZSHDIR=/usr/share/zsh/vendor-completions
strip --strip-unneeded --remove-section=.comment "$stage/usr/bin/btfgen"

# Policy 12.5 and 12.7: licences once for all packages in copyright, changelogs under these names.
rm "$doc"/LICENSE-*
cp "$debian/copyright" "$doc/copyright"
mv "$doc/CHANGELOG.md" "$doc/changelog"
cp "$debian/changelog" "$doc/changelog.Debian"
gzip -9n "$doc"/changelog* "$stage"/usr/share/man/man1/*.1

# What it needs, from the symbols that it uses; dpkg's tools want to see a source package.
mkdir -p "$work/debian" "$stage/DEBIAN"
cp "$debian/control" "$debian/changelog" "$work/debian"
(cd "$work" && dpkg-shlibdeps stage/usr/bin/btfgen 2>&1 && dpkg-gencontrol -pbtfgen -Pstage) >"$work/log" || { cat "$work/log" >&2; die "no control file"; }
(cd "$stage" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$stage/DEBIAN/md5sums"
find "$stage" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch -h -d "@$SOURCE_DATE_EPOCH"
deb=$out/btfgen_${version}_$(dpkg --print-architecture).deb
dpkg-deb --root-owner-group -Zxz --build "$stage" "$deb" >&2
echo "$deb"
