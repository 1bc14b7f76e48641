#!/bin/bash
# The C cases (tests/cases/), as all compilers that are here make them for all machines, beside the reference encoder:   test-cases.sh
# What `make test` compiles is kept, encoded by btfgen with the reference's selection of functions and by pahole 1.32, and compared as type
# graphs. Nothing of the reference may be missing, but what scripts/known-differences-cases.tsv has, with the weakness of docs/compat.md
# that it shows; what the reference cannot encode is one of the cases that say so there.
# Prints a line per check and `N passed, N failed`. Environment: BTFGEN, BTFGEN_WORK (default: work/cases in the cache; emptied first).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

btfgen=${BTFGEN:-$root/target/release/btfgen}
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
work=${BTFGEN_WORK:-$cache/work/cases}
"$scripts/get-reference-tools.sh" 1.32
lock "$work.lock"
rm -rf "$work"
logs=$work/logs
mkdir -p "$work/objects" "$logs"

compiled() {
    BTFGEN_KEEP_CASES=$work/objects "${CARGO:-cargo}" test --locked --manifest-path "$root/Cargo.toml" -p btfgen --test cases || return 1
    echo "$(find "$work/objects" -name '*.o' | wc -l) files of $(cases_of "$work/objects" | wc -l) cases"
}
cases_of() { find "$1" -type f -printf '%f\n' | sed 's/-[^-]*-[^-]*-[^-]*-O[0-9]\..*//' | sort -u; }
encoded() {
    "$btfgen" -q --no-base --compat=pahole --lang_exclude= --detached-dir "$work/ours" --functions-report "$work/functions.tsv" "$work"/objects/*.o
}
# W18 and W28: the reference gives up.
unencodable="atomic complex cplusplus decl_tags_of_members_left_out members_cannot_place"
by_reference() {
    "$scripts/encode-reference.sh" "$(tools_dir 1.32)/bin/pahole" - "$work/theirs" "$work"/objects/*.o || return 1
    mkdir "$work/alone"
    local file case
    for file in "$work"/ours/*.btf; do
        [ -e "$work/theirs/$(basename "$file")" ] || mv "$file" "$work/alone/"
    done
    for case in $(cases_of "$work/alone"); do
        case " $unencodable " in *" $case "*) ;; *) echo "not encoded: $case"; grep "^$case-" "$work/theirs/failed.txt"; return 1 ;; esac
    done
    echo "all but $(find "$work/alone" -name '*.btf' | wc -l) files of $(cases_of "$work/alone" | xargs)"
}
the_same() {
    "$scripts/python.sh" "$scripts/btfcmp.py" --pairs --explain "$work/functions.tsv" --known "$scripts/known-differences-cases.tsv" "$work/ours" "$work/theirs"
}

mkdir "$work/ours"
check "compiled" compiled
check "encoded" encoded
check "by the reference" by_reference
check "nothing of the reference is missing" the_same
rm -rf "$work/objects"
checked
