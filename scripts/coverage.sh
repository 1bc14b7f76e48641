#!/bin/bash
# Which lines of btf, dwarf and encoder `make test` executes:   coverage.sh [LEAST]
# Prints the share of each crate and the files with the lowest; fails if a crate is below LEAST per cent (90). Tests in the source files do
# not count as lines. All lines: $CARGO_TARGET_DIR/coverage/lines.info, which genhtml of lcov can show.
# Needs llvm-profdata and llvm-cov of the LLVM that rustc has: setup.sh sees to that.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"

major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc -vV | sed -n 's/^host: //p')
for dir in "$(rustc --print sysroot)/lib/rustlib/$host/bin" "/usr/lib/llvm-$major/bin" ""; do
    tools=$dir
    [ -n "$dir" ] && [ -x "$dir/llvm-cov" ] && [ -x "$dir/llvm-profdata" ] && break
done
[ -n "$tools" ] || die "llvm-cov and llvm-profdata of LLVM $major are missing: install the package llvm-$major, or rustup component add llvm-tools"

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/coverage
rm -rf "$target/profiles"
# Some tests run btfgen as another user.
mkdir -p "$target/profiles"
chmod 1777 "$target/profiles"
export CARGO_TARGET_DIR=$target RUSTFLAGS="-C instrument-coverage" LLVM_PROFILE_FILE=$target/profiles/%p-%m.profraw
# Build scripts and the like run, too, and are of no interest.
LLVM_PROFILE_FILE=/dev/null cargo test --workspace --locked --no-run --message-format=json-render-diagnostics >"$target/built.json"
cargo test --workspace --locked
objects=()
while read -r executable; do objects+=(--object "$executable"); done < <(
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$target/built.json" | sort -u)
# A process that was killed may leave half a profile, and thousands of names are too long for a command line.
find "$target/profiles" -name '*.profraw' -size +0 >"$target/profiles.list"
"$tools/llvm-profdata" merge --sparse --failure-mode=all --input-files="$target/profiles.list" --output="$target/all.profdata"
"$tools/llvm-cov" export --format=lcov --instr-profile="$target/all.profdata" "${objects[@]}" --sources btf dwarf encoder >"$target/lines.info"
rm -rf "$target/profiles"
exec python3 "$scripts/coverage_report.py" "${1:-90}" <"$target/lines.info"
