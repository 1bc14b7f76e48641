#!/bin/bash
# The Debian package and `make install`, used as a packager and a user do:   test-deb.sh
# Lints the package, installs it with dpkg in a small Debian of its own (mmdebstrap, the suite of this machine; fetched once), runs it there, and
# removes it. Prints a line per check and `N passed, N failed`. Needs root or user namespaces.
# Environment: BTFGEN_WORK (default: work/deb in the cache).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

work=${BTFGEN_WORK:-$cache/work/deb}
for tool in lintian:lintian mmdebstrap:mmdebstrap unshare:util-linux gcc:gcc; do need "${tool%%:*}" "${tool##*:}"; done
# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:?this is no Debian or Ubuntu with a codename}")
lock "$work.lock"
mkdir -p "$work"
# What an earlier run left mounted or installed.
rm -rf --one-file-system "${work:?}"/{logs,deb,again,root,manual,files}
logs=$work/logs
mkdir -p "$logs" "$work/files"

tar=$work/essential-$suite.tar
if [ ! -e "$tar" ]; then
    "$scripts/debian-apt.sh" "$work/apt" "$suite"
    options=()
    for file in "$work"/apt/etc/apt/apt.conf.d/*; do if grep -q Acquire "$file"; then options+=(--aptopt="$file"); fi; done # proxies
    mmdebstrap --quiet --format=tar --variant=essential "${options[@]}" "$suite" "$tar.part" "$(cat "$work/apt/etc/apt/sources.list")" >&2
    mv "$tar.part" "$tar"
fi
new=$work/root
mkdir -p "$new"
tar -xf "$tar" -C "$new" --exclude='./dev/*'

flags=(--mount --fork)
[ "$(id -u)" = 0 ] || flags+=(--map-root-user)
inside() { unshare "${flags[@]}" chroot "$new" "$@"; }
# A kernel and a module on top of it, as small as they can be.
cat >"$work/files/kernel.c" <<'END'
struct task { int pid; struct task *next; };
struct task *current_task(void) { static struct task t; return &t; }
void _start(void) { current_task(); }
END
cat >"$work/files/module.c" <<'END'
struct task { int pid; struct task *next; };
struct driver { struct task *owner; long count; };
int drive(struct driver *d) { return d->owner->pid; }
END
gcc -g -nostdlib -static -o "$work/files/vmlinux" "$work/files/kernel.c"
gcc -g -c -o "$work/files/foo.ko" "$work/files/module.c"

package() { deb=$("$scripts/make-deb.sh" "$work/deb") && ls -l "$deb"; }
deb() { find "$work/deb" -name '*.deb'; }
reproducible() { "$scripts/make-deb.sh" "$work/again" && cmp "$(deb)" "$work"/again/*.deb && echo "the same bytes"; }
# That a first upload should close a bug is a rule of Debian's archive.
lint() { lintian --fail-on error,warning --allow-root --suppress-tags initial-upload-closes-no-bugs "$(deb)" && echo "no tags of lintian"; }
contents() {
    dpkg-deb -c "$(deb)" >"$work/contents"
    cat "$work/contents"
    local file
    for file in bin/btfgen bin/btfgen-pahole bin/btfgen-resolve_btfids share/man/man1/btfgen{,-check,-diff,-dump,-merge,-report,-stats,-verify,-why,-why-not,-pahole,-resolve_btfids}.1.gz \
        share/bash-completion/completions/btfgen share/zsh/vendor-completions/_btfgen share/fish/vendor_completions.d/btfgen.fish \
        share/doc/btfgen/{copyright,changelog.gz,changelog.Debian.gz}; do
        grep -q " ./usr/$file\( -> .*\)\?$" "$work/contents" || { echo "no $file"; return 1; }
    done
    if grep -v '^d' "$work/contents" | grep -v ' root/root ' ; then echo "files of others than root"; return 1; fi
    echo "$(wc -l <"$work/contents") files and folders"
}
installs() { cp "$(deb)" "$new/btfgen.deb" && inside dpkg -i /btfgen.deb && inside dpkg --verify btfgen && inside dpkg -s btfgen | grep '^Status: install ok installed'; }
runs() {
    inside btfgen --version | grep -x "btfgen $(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")" || return 1
    cp "$work/files"/{vmlinux,foo.ko} "$new/root/"
    inside btfgen /root/vmlinux || return 1
    inside btfgen --btf_base /root/vmlinux /root/foo.ko || return 1
    inside btfgen dump --btf_base /root/vmlinux /root/foo.ko >"$work/dump" || return 1
    cat "$work/dump"
    if ! grep -q "STRUCT 'driver'" "$work/dump" || grep -q "STRUCT 'task'" "$work/dump"; then echo "not what was to be encoded"; return 1; fi
    inside btfgen check --btf_base /root/vmlinux /root/foo.ko
}
stands_in() {
    [ "$(inside btfgen-pahole --version)" = v1.32 ] || return 1
    cp "$work/files/foo.ko" "$new/root/bar.ko"
    inside btfgen-pahole -J --btf_base /root/vmlinux /root/bar.ko && inside btfgen-resolve_btfids -b /root/vmlinux /root/bar.ko || return 1
    inside btfgen check --btf_base /root/vmlinux /root/bar.ko
}
removes() {
    inside dpkg -P btfgen || return 1
    if find "$new" -xdev -name '*btfgen*' ! -name btfgen.deb ! -path "$new/var/log/*" | grep .; then echo "left behind"; return 1; fi
    echo "nothing is left"
}
# What `make install` puts below a prefix of its own; links lead to their neighbour wherever that is.
by_hand() {
    (cd "$root" && DESTDIR=$work/manual PREFIX=/opt/b bash -euxc "$(doc_commands README.md scripts/test-deb.sh)") || return 1
    find "$work/manual" ! -type d -printf '%P\n' | LC_ALL=C sort
    if find "$work/manual" ! -type d | grep -v "^$work/manual/opt/b/"; then echo "outside of the prefix"; return 1; fi
    [ "$("$work/manual/opt/b/bin/btfgen-pahole" --version)" = v1.32 ] || return 1
    [ -e "$work/manual/opt/b/share/man/man1/btfgen-check.1" ] && [ -e "$work/manual/opt/b/share/zsh/site-functions/_btfgen" ] || return 1
    make -s -C "$root" uninstall DESTDIR="$work/manual" PREFIX=/opt/b || return 1
    if find "$work/manual" ! -type d | grep .; then echo "left behind"; return 1; fi
    echo "installed, run, uninstalled"
}

check "make install and uninstall" by_hand
check "a package" package
check "again" reproducible
check "lintian" lint
check "contents" contents
check "dpkg -i in a Debian $suite of its own" installs
check "encodes there" runs
check "stands in for pahole and resolve_btfids there" stands_in
check "dpkg -P" removes
rm -rf --one-file-system "$new"
checked
