#!/bin/bash
# btfgen beside pahole 1.32 and 1.30, on a real kernel; the driver behind `make bench KERNEL=...`:
#   bench.sh KERNEL          6.1, 6.12 or 7.3
# Environment:
#   ROWS="vmlinux xfs"       only these rows (all of them: scripts/bench.py --help)
#   QUICK=1                  without what takes long: all modules by the peers, the full flavour
#   ROUNDS=N                 instead of 5; with 1 not even a first one that does not count
#   DOCS=1                   write the documentation after an incomplete run as well; it will say so
#   BTFGEN                   the program (default: target/release/btfgen of this tree)
# All samples go to work/bench-KERNEL/bench.json in the cache. A complete run copies them to docs/bench.json and writes from them
# docs/performance.md, the plots beside it and the table in README.md; an incomplete one shows the same as text, and leaves its
# plots beside its samples. A complete run takes about an hour on 2 cores; let nothing else run. Needs no root.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || usage
series=$1
suite=$(kernel_suite "$series")
btfgen=${BTFGEN:-$root/target/release/btfgen}
walk=${BTFGEN_WALK:-$(dirname "$btfgen")/examples/bare_walk}
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
[ -x "$walk" ] || die "$walk is not there: cargo build --release -p btfgen-dwarf --example bare_walk"
work=$cache/work/bench-$series
lock "$work.lock"
rm -rf "$work"/run-* # of a run that was killed
mkdir -p "$work"
cc -O2 -o "$work/measure" "$scripts/measure.c"

rows=${ROWS:-}
full=
if [ -n "$rows" ]; then
    case " $rows " in *" amd64 "*) full=1 ;; esac
elif [ "${QUICK:-}" != 1 ]; then
    full=1
fi

versions=$(keys "$reference_table")
for version in $versions; do "$scripts/get-reference-tools.sh" "$version"; done
"$scripts/get-resolve-btfids.sh" 7.3
tree=$cache/tools/resolve_btfids-7.3
gen_btf=$(echo "$tree"/root/usr/lib/linux-kbuild-*/scripts/gen-btf.sh)
[ -e "$gen_btf" ] || die "$gen_btf is not there"

place() { # place DIR: where a kernel is and what the peers made of its vmlinux, as JSON
    local dir=$1 release version base separator=''
    release=$(cat "$dir/release")
    printf '{"vmlinux": "%s", "modules": "%s", "release": "%s", "bases": {' "$dir/vmlinux" "$dir/modules" "$release"
    for version in $versions; do
        base=$cache/reference/$release/pahole-$version/vmlinux
        "$scripts/encode-reference.sh" "$(tools_dir "$version")/bin/pahole" - "$base" "$dir/vmlinux"
        printf '%s"pahole %s": "%s"' "$separator" "$version" "$base/vmlinux.btf"
        separator=', '
    done
    printf '}}'
}
"$scripts/get-kernel.sh" "$series"
kernel_place=$(place "$(kernel_dir "$series")")
full_place=null
if [ -n "$full" ]; then
    "$scripts/get-kernel.sh" "$series" --flavour amd64
    full_place=$(place "$(kernel_dir "$series")-amd64-amd64")
fi

commit=$(git -C "$root" describe --always --dirty --exclude '*' 2>/dev/null || true)
{
    printf '{"btfgen": "%s", "btfgen_version": "%s", "walk": "%s", "measure": "%s", "work": "%s", "suite": "%s",\n' \
        "$btfgen" "$("$btfgen" --version)${commit:+ ($commit)}" "$walk" "$work/measure" "$work" "$suite"
    printf ' "resolve_btfids": "%s", "gen_btf": "%s",\n "peers": {' "$tree/resolve_btfids" "$gen_btf"
    separator=''
    for version in $versions; do
        printf '%s"pahole %s": {"program": "%s", "suite": "%s"}' "$separator" "$version" "$(tools_dir "$version")/bin/pahole" \
            "$(lookup "$reference_table" "$version")"
        separator=', '
    done
    printf '},\n "kernel": %s,\n "full": %s}\n' "$kernel_place" "$full_place"
} >"$work/setup.json"

export PYTHONDONTWRITEBYTECODE=1
options=(--rows "$rows" --rounds "${ROUNDS:-5}")
[ "${QUICK:-}" != 1 ] || options+=(--quick)
python3 "$scripts/bench.py" "$work/setup.json" --json "$work/bench.json" "${options[@]}"
if [ "${DOCS:-}" = 1 ] || grep -q '^ "complete": true' "$work/bench.json"; then
    cp "$work/bench.json" "$root/docs/bench.json"
    python3 "$scripts/bench_report.py" "$root/docs/bench.json" --docs "$root"
else
    python3 "$scripts/bench_report.py" "$work/bench.json" --plots "$work"
fi
