#!/bin/bash
# Redoes what follows the object files of a small kernel (get-kernel-build.sh): links vmlinux and the modules and makes their BTF.
#   relink-kernel.sh SERIES HOW OUT [MAKE-ARGUMENT...]      OUT is emptied first
# HOW
#   reference   pahole 1.32 and the tree's own resolve_btfids
#   selection   btfgen as PAHOLE= with the reference's selection of functions, the tree's own resolve_btfids
#   drop-in     the tree as it is, with PAHOLE= and RESOLVE_BTFIDS= links to btfgen
#   one-shot    the tree with contrib/kbuild/linux-SERIES.patch and BTFGEN=; no pahole is there, only something that has its version
# Result:
#   OUT/vmlinux, OUT/modules/*.ko, OUT/make.log, OUT/left-behind (files that only a BTF step in the making has; should be empty)
#   OUT/.complete     what it was made from and with: a second run with the same does nothing
# Environment: BTFGEN, the program under test (default: target/release/btfgen of this tree).
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$scripts/lib-kernel-build.sh"

[ $# -ge 3 ] || usage
series=$1 how=$2 out=$3
shift 3
compiled=$(kernel_build_dir "$series")
[ -e "$compiled/.complete" ] || die "$compiled is not there: get-kernel-build.sh $series"
btfgen=$(readlink -f "${BTFGEN:-$root/target/release/btfgen}")
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
patch=$root/contrib/kbuild/linux-$series.patch
made_from="$how $* $(cat "$compiled/.complete" "$btfgen" "$patch" "$0" | sha256sum | cut -d ' ' -f 1)"
if [ -e "$out/.complete" ] && [ "$(cat "$out/.complete")" = "$made_from" ]; then exit 0; fi

rm -rf "$out"
mkdir -p "$out/links"
out=$(cd "$out" && pwd)
# Object files are links to the compiled ones: whatever makes one anew writes another file. All else may be written in place (vmlinux.a is)
# and is copied, with times to the nanosecond: make compares them.
copy_build() {
    cp -al "$compiled/build" "$out/build"
    find "$out/build" -type f ! -name '*.o' -delete
    tar -C "$compiled/build" --format=posix --exclude='*.o' -c . | tar -C "$out/build" -x
}
arguments=() show="$out $(dirname "$btfgen")" source=$compiled/source
case $how in
reference) arguments=(PAHOLE="$(tools_dir 1.32)/bin/pahole") ;;
selection)
    # A program, since the scripts of 6.1 do not find one that is named with an argument.
    printf '#!/bin/sh\nexec "%s" --pahole --compat=pahole "$@"\n' "$btfgen" >"$out/links/pahole"
    chmod +x "$out/links/pahole"
    arguments=(PAHOLE="$out/links/pahole")
    ;;
drop-in)
    # What a user installs: links, whose names say what btfgen is to be; and what a user is told to type.
    ln -s "$btfgen" "$out/links/btfgen-pahole"
    ln -s "$btfgen" "$out/links/btfgen-resolve_btfids"
    make() { arguments=("$@"); }
    PATH=$out/links:$PATH
    eval "$(doc_commands docs/guide/packager.md scripts/relink-kernel.sh)"
    [ ${#arguments[@]} -eq 2 ] || die "the guide says something else: ${arguments[*]}"
    ;;
one-shot)
    # Kconfig wants to know a version. Whoever calls this for more than that gets an error.
    printf '#!/bin/sh\n[ "$*" = --version ] || exit 1\necho v1.32\n' >"$out/links/pahole"
    chmod +x "$out/links/pahole"
    arguments=(PAHOLE="$out/links/pahole" BTFGEN="$btfgen")
    # The patches are for scripts/ only, and so is the copy.
    cp -r --preserve=mode,timestamps "$source/scripts" "$out/scripts"
    (cd "$out" && patch --quiet --fuzz=0 -p1) <"$patch" || die "$patch does not apply to Linux $series"
    show+=" $out/scripts=/usr/src/linux/scripts"
    ;;
*) usage ;;
esac
copy_build
status=0
SHOW=$show kernel_make "$series" "$source" "$out/build" -C /usr/src/build "${arguments[@]}" "$@" vmlinux modules >"$out/make.log" 2>&1 </dev/null || status=$?
# The compiled tree must be as it was, or the next run starts from something else.
if [ -n "$(find "$compiled/build" "$compiled/source" -newer "$compiled/.complete" -print -quit)" ]; then
    rm "$compiled/.complete"
    die "something was written to $compiled: it will be compiled anew"
fi
[ $status = 0 ] || { tail -n 20 "$out/make.log" >&2; die "make failed, see $out/make.log"; }
kernel_results "$out/build" "$out"
# .tmp_vmlinux.btf is an ELF file that the tree of 6.1 leaves.
(cd "$out/build" && find . -name .tmp_vmlinux.btf -prune -o \( -name '*.BTF' -o -name '*.BTF.1' -o -name '*.ko.BTF*' -o -name '*.btf' -o -name '*.new' \) -print) >"$out/left-behind"
rm -rf "$out/build" "$out/scripts"
echo "$made_from" >"$out/.complete"
