#!/bin/bash
# Encodes files with a reference encoder, to compare with:
#   encode-reference.sh PAHOLE BASE OUTDIR FILE...      writes OUTDIR/<name of FILE>.btf; BASE `-` = none (a vmlinux)
# Two at a time ($JOBS). What OUTDIR has already is not encoded again, unless PAHOLE's version or BASE's content changed since.
# A file that the encoder cannot do is named in OUTDIR/failed.txt with its message; the others go on.
# Exit status 1 when nothing at all could be encoded.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# What Kbuild passes to pahole >= 1.26 for modules and vmlinux alike.
features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs

if [ "${1:-}" = --one ]; then # one file; called by ourselves through xargs
    file=$2 out=$BTFGEN_REF_OUT/$(basename "$2").btf
    [ ! -e "$out" ] || exit 0
    # pahole does not truncate an existing output, and often says 0 when it wrote nothing.
    new=$out.new message=$out.message
    rm -f "$new"
    args=(-J -j1 --btf_features="$features" --lang_exclude=rust --btf_encode_detached="$new")
    [ "$BTFGEN_REF_BASE" = - ] || args+=(--btf_base "$BTFGEN_REF_BASE")
    "$BTFGEN_REF_PAHOLE" "${args[@]}" "$file" >"$message" 2>&1 || echo "exit status $?" >>"$message"
    if [ -s "$new" ] && ! grep -q '^exit status' "$message"; then
        mv "$new" "$out"
        rm -f "$message"
    else
        rm -f "$new"
        [ -s "$message" ] || echo "no output, no message" >"$message"
    fi
    exit 0
fi

[ $# -ge 4 ] || usage
pahole=$(realpath "$1") base=$2 out=$3
shift 3
[ -x "$pahole" ] || die "$1 is not a program"
[ "$base" = - ] || [ -r "$base" ] || die "cannot read the base $base"
twice=$(for f in "$@"; do basename "$f"; done | sort | uniq -d)
[ -z "$twice" ] || die "files of the same name would overwrite each other: $(echo "$twice" | head -n 5 | xargs)"
mkdir -p "$out"
out=$(cd "$out" && pwd)
lock "$out.lock"

made_with="$("$pahole" --version) $features $([ "$base" = - ] || sha256sum <"$base")"
if [ -e "$out/made-with" ] && [ "$(cat "$out/made-with")" != "$made_with" ]; then
    say "$out was made with another encoder or base: encoding again"
    rm -f "$out"/*.btf
fi
echo "$made_with" >"$out/made-with"
rm -f "$out"/*.new "$out"/*.message "$out/failed.txt"

export BTFGEN_REF_PAHOLE=$pahole BTFGEN_REF_BASE=$base BTFGEN_REF_OUT=$out
# The largest first, so that both jobs end together.
for f in "$@"; do
    [ -e "$out/$(basename "$f").btf" ] || printf '%s %s\0' "$(stat -L -c %s "$f")" "$f"
done | sort -z -rn | sed -z 's/^[0-9]* //' | xargs -0 -r -n 1 -P "${JOBS:-2}" "$0" --one

for message in "$out"/*.message; do
    [ -e "$message" ] || continue
    printf '%s\t%s\n' "$(basename "$message" .btf.message)" "$(tr '\n' ' ' <"$message" | cut -c 1-300)" >>"$out/failed.txt"
    rm -f "$message"
done
done_count=0
for f in "$@"; do [ ! -e "$out/$(basename "$f").btf" ] || done_count=$((done_count + 1)); done
say "$("$pahole" --version): $done_count of $# files encoded, in $out$([ ! -e "$out/failed.txt" ] || echo "; the others: $out/failed.txt")"
[ "$done_count" -gt 0 ]
