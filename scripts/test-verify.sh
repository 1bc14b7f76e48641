#!/bin/bash
# Asks a real kernel about thousands of damaged BTFs, and compares each answer with what `btfgen verify` says:
#   test-verify.sh              the driver behind `make test-verify`
# Environment:
#   BTFGEN        the program under test (default: target/release/btfgen of this tree)
#   CORPUS        tests/mutate/examples/corpus.rs (default: target/release/examples/corpus)
#   BTFGEN_WORK   where results and logs go (default: work/verify in the cache); emptied first
#   BLOBS         BTFs for BPF_BTF_LOAD (default 6000); MODULES: modules of each of four sorts (default 280)
#   TIME_LIMIT    seconds for the boot (default 500)
# Debian's 7.3 cloud kernel runs in QEMU, in software, as in test-boot.sh. What it is asked about comes from tests/mutate, with fixed seeds:
#   blobs       slices of the kernel's own BTF, through BPF_BTF_LOAD             verify --level user
#   modules     nlmon and dummy, with mutated .BTF, through init_module          verify --level kernel
#   distilled   nlmon with .BTF.base, one of the two sections mutated            verify --level kernel, which fits it to the base
# A file agrees if both take it, or both refuse it with the same error number and the same lines in the log, letter by letter.
# Not loaded, but counted: modules with a distilled base whose references lead to no type. This kernel does not check them when it relocates a
# module (btf_relocate_rewrite_type_id) and reads beyond its tables; one of them stopped the machine. verify refuses them (Z4).
# Prints one line per check, `ok` or `FAILED`, and `N passed, N failed` at the end. Exit status 1 if any failed. Needs no root.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$scripts/machine.sh"

btfgen=${BTFGEN:-$root/target/release/btfgen}
corpus=${CORPUS:-$root/target/release/examples/corpus}
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
[ -x "$corpus" ] || die "$corpus is not there: cargo build --release -p btfgen-mutate --example corpus"
work=${BTFGEN_WORK:-$cache/work/verify}
blobs=${BLOBS:-6000}
modules=${MODULES:-280}
need qemu-system-x86_64 qemu-system-x86
need cpio cpio
need gcc gcc
need objcopy binutils
need python3 python3

"$scripts/get-kernel.sh" 7.3 --image
kernel=$(kernel_dir 7.3)
lock "$work.lock"
rm -rf "$work"
mkdir -p "$work/root/blobs" "$work/root/modules" "$work/verdicts"

passed=0 failed=0
verdict() { # verdict ok|FAILED WHAT DETAIL
    if [ "$1" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-6s  %s: %s\n' "$1" "$2" "$3"
}

# --- what to ask about ----------------------------------------------------------------------------------------------
base=$work/base.btf
objcopy --dump-section .BTF="$base" "$kernel/vmlinux" /dev/null
gcc -O2 -Wall -static -o "$work/root/init" "$root/tests/boot/init.c"

"$corpus" "$base" "$blobs" "$work/blobs"
cp "$work"/blobs/*.btf "$work/root/blobs/"
find "$work/blobs" -name '*.btf' | LC_ALL=C sort | xargs "$btfgen" verify --json --level user \
    >"$work/verdicts/blobs" 2>"$work/verdicts/blobs.err" || true

# module SORT FILE SECTION MUTANTS: each mutant in the place of a section of a module, as SORT-NUMBER.ko
module() {
    local mutant
    for mutant in "$4"/*.btf; do
        objcopy --update-section "$3=$mutant" "$2" "$work/root/modules/$1-$(basename "$mutant" .btf).ko"
    done
    sed "s/^/$1-/" "$4/list.tsv" >>"$work/modules.tsv"
}
: >"$work/modules.tsv"
first=0
for name in nlmon dummy; do
    path=$(find -L "$kernel/modules" -name "$name.ko")
    "$btfgen" --btf_base "$base" -o "$work/$name.ko" "$path"
    objcopy --strip-debug "$work/$name.ko"
    objcopy --dump-section .BTF="$work/$name.btf" "$work/$name.ko" /dev/null
    "$corpus" --split "$base" "$work/$name.btf" "$modules" "$work/$name" "$first"
    first=$((first + modules))
    module "$name" "$work/$name.ko" .BTF "$work/$name"
done
path=$(find -L "$kernel/modules" -name nlmon.ko)
"$btfgen" --btf_base "$base" --distill_base -o "$work/distilled.ko" "$path"
objcopy --strip-debug "$work/distilled.ko"
objcopy --dump-section .BTF="$work/distilled.btf" --dump-section .BTF.base="$work/distilled.base" "$work/distilled.ko" /dev/null
"$corpus" --split "$work/distilled.base" "$work/distilled.btf" "$modules" "$work/distilled"
module distilled "$work/distilled.ko" .BTF "$work/distilled"
"$corpus" --whole "$work/distilled.base" "$modules" "$work/base"
module base "$work/distilled.ko" .BTF.base "$work/base"
find "$work/root/modules" -name '*.ko' | LC_ALL=C sort | xargs "$btfgen" verify --json --level kernel --btf_base "$base" \
    >"$work/verdicts/all" 2>"$work/verdicts/all.err" || true
"$scripts/python.sh" "$scripts/verifycmp.py" --dangerous "$work/verdicts/all" >"$work/dangerous"
while read -r name; do rm "$work/root/modules/$name.ko"; done <"$work/dangerous"
for sort in nlmon dummy distilled base; do
    grep -F "/modules/$sort-" "$work/verdicts/all" | grep -vFf <(sed 's|.*|/modules/&.ko"|' "$work/dangerous") >"$work/verdicts/$sort"
    grep "^$sort-" "$work/modules.tsv" >"$work/$sort.tsv"
done
cp "$work/blobs/list.tsv" "$work/blobs.tsv"

# --- asking -----------------------------------------------------------------------------------------------------------
printf 'blobs /blobs\nmodules /modules\n' >"$work/root/plan"
asked=$(find "$work/root/blobs" "$work/root/modules" -type f | wc -l)
pack "$work/root" "$work/main.cpio"
rm -rf "$work/root"
began=$SECONDS status=0
machine "$kernel/vmlinuz" "$work/main.cpio" "$work/main" "${TIME_LIMIT:-500}" 3 || status=$?
rm -f "$work/main.cpio"
tr -d '\r' <"$work/main.report" >"$work/answers"
answered=$(sed -n 's/^end\t//p' "$work/answers")
if [ "$status" -eq 0 ] && [ "${answered:-0}" -eq "$asked" ]; then
    verdict ok "the machine" "$(cat "$kernel/release") answered $answered questions in $((SECONDS - began)) s"
else
    verdict FAILED "the machine" "status $status, ${answered:-no} answers to $asked questions, see $work/main.log"
fi

# --- comparing ----------------------------------------------------------------------------------------------------------
compare() { # compare VERDICTS SORT
    "$scripts/python.sh" "$scripts/verifycmp.py" "$work/answers" "$1" "$work/$2.tsv"
}
judge() { # judge WHAT SORT
    if compare "$work/verdicts/$2" "$2" >"$work/$2.out" 2>&1; then
        verdict ok "$1" "$(tail -n 2 "$work/$2.out" | paste -sd ';')"
    else
        verdict FAILED "$1" "$(tail -n 1 "$work/$2.out"), see $work/$2.out"
        head -n 5 "$work/$2.out" | cut -c 1-300 | sed 's/^/            /'
    fi
}
judge "BTF by BPF_BTF_LOAD" blobs
judge "modules with damaged .BTF (nlmon)" nlmon
judge "modules with damaged .BTF (dummy)" dummy
judge "modules with a distilled base, damaged .BTF ($(grep -c '^distilled' "$work/dangerous" || true) not loaded)" distilled
judge "modules with a damaged .BTF.base ($(grep -c '^base' "$work/dangerous" || true) not loaded)" base

# Every rule that a kernel can name was met, on some way.
cat "$work"/{blobs,nlmon,dummy,distilled,base}.out | sed -n 's/^rules met: //p' | tr ',' '\n' | awk '$1 !~ /^Z/ { print $1 }' | LC_ALL=C sort -u >"$work/met"
if lost=$(cut -f 2 "$work"/{blobs,nlmon,dummy}.tsv | grep -v '^-$' | LC_ALL=C sort -u | LC_ALL=C comm -23 - "$work/met") && [ -z "$lost" ]; then
    verdict ok "rules" "all $(wc -l <"$work/met") that can be broken alone were named by the kernel and by verify"
else
    verdict FAILED "rules" "not met: $(paste -sd ' ' <<<"$lost")"
fi

# --- can it fail? ---------------------------------------------------------------------------------------------------------
# A verdict turned around, and a text with another word: two differences, no more and no less.
self_test() {
    "$scripts/python.sh" "$scripts/verifycmp.py" --spoil "$work/verdicts/blobs" >"$work/verdicts/spoiled"
    if compare "$work/verdicts/spoiled" blobs >"$work/spoiled.out" 2>&1; then return 1; fi
    compare "$work/verdicts/blobs" blobs | tail -n 1 | awk '{ print $1 - 2 " agree, " $3 + 2 " differ" }' | diff - <(tail -n 1 "$work/spoiled.out")
}
if self_test >"$work/self.out" 2>&1; then
    verdict ok "wrong verdicts" "seen, as there are two"
else
    verdict FAILED "wrong verdicts" "not seen: $(tail -n 1 "$work/self.out")"
fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
