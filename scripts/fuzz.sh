#!/bin/bash
# fuzz.sh [TARGET [SECONDS]]: runs one fuzz target, or each in turn, with its corpus. On the stable toolchain: libFuzzer is linked in, and the
# instrumentation that it needs are options of LLVM.
#
#   FUZZ_RUNS=N       ends after N executions
#   FUZZ_CORPUS=DIR   keeps new inputs in DIR/TARGET; default: target/fuzz/corpus. The seeds in fuzz/corpus stay as they are
#   FUZZ_MINIMISE=1   only makes fuzz/corpus anew, of what is there and what was found: the fewest inputs of up to 4 KB with all the coverage
#
# An input that fails is left in target/fuzz/failures, what libFuzzer said in target/fuzz/TARGET.log. The last line counts targets: `N passed, N failed`.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

targets=(elf dwarf btf dedup writer pipeline)
seconds=${2:-60}
if [ -n "${1:-}" ]; then
    case " ${targets[*]} " in *" $1 "*) targets=("$1") ;; *) die "no target \`$1\`: one of ${targets[*]}" ;; esac
fi

cd "$root/fuzz"
out=${CARGO_TARGET_DIR:-$root/target}/fuzz
corpus=${FUZZ_CORPUS:-$out/corpus}
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target, build scripts and macros are built without these.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code"
RUSTFLAGS=$(tr -s ' \n' ' ' <<<"$RUSTFLAGS")
cargo build --release --locked --quiet --target "$host" --target-dir "$out" "${targets[@]/#/--bin=}"
programs=$out/$host/release

minimise() { # TARGET
    local small fewest
    small=$(mktemp -d) fewest=$(mktemp -d)
    find "corpus/$1" "$corpus/$1" -type f -size -4097c -exec cp -t "$small" {} +
    "$programs/$1" -set_cover_merge=1 "$fewest" "$small"
    rm -rf "corpus/$1"
    mv "$fewest" "corpus/$1"
    chmod 755 "corpus/$1"
    rm -rf "$small"
}

# run TARGET: exit status of libFuzzer, whose log goes to standard output.
run() {
    local target=$1
    mkdir -p "$corpus/$target" "$out/failures/$target" corpus/"$target"
    if [ -n "${FUZZ_MINIMISE:-}" ]; then
        minimise "$target"
        return
    fi
    "$programs/$target" "$corpus/$target" "corpus/$target" -artifact_prefix="$out/failures/$target/" -max_total_time="$seconds" \
        -runs="${FUZZ_RUNS:--1}" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 -verbosity=1
}

passed=0 failed=0
for target in "${targets[@]}"; do
    log=$out/$target.log
    if run "$target" >"$log" 2>&1; then passed=$((passed + 1)) result=ok; else failed=$((failed + 1)) result=FAILED; fi
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 || true)
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-10s %s: %s executions, %s edges\n' "$target" "$result" "${executions:-?}" "${edges#cov: }"
    if [ $result = FAILED ]; then tail -40 "$log"; fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
