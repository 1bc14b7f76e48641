#!/bin/bash
# The tests that reach the unsafe code (files mapped into memory, make's job server) and those of damaged input, with LLVM's address
# sanitizer in the program and in the tests. Its runtime comes with the stable toolchain; the flag that asks for it is let through by
# RUSTC_BOOTSTRAP. For Linux on x86-64 and aarch64.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

cd "$root"
host=$(rustc -vV | sed -n 's/^host: //p')
# Leaks are none of the safety of memory.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS=detect_leaks=0
tests=(--test bad_input --test cli --test fixtures --test jobserver --test oneshot)
cargo test --locked --target "$host" --target-dir "${CARGO_TARGET_DIR:-target}/sanitize" -p btfgen-encoder --lib
cargo test --locked --target "$host" --target-dir "${CARGO_TARGET_DIR:-target}/sanitize" -p btfgen "${tests[@]}"
