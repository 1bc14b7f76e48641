#!/bin/bash
# `btfgen stats`, `diff`, `why` and `merge` on real kernels, each against something that shares nothing with it:
#   test-inspect.sh             the driver behind `make test-inspect`
#   test-inspect.sh --list      writes scripts/diff-6.12-7.3.tsv anew, by gdb
# Environment:
#   BTFGEN        the program under test (default: target/release/btfgen of this tree)
#   BTFGEN_WORK   where results go (default: work/inspect in the cache); emptied first
# stats: redundant types by scripts/btfmin.py, of all modules as Debian ships them. diff: members of 22 structs of 6.12 and 7.3, by gdb from the
# DWARF; a kernel and its types in another order. why: each copy of task_struct is told from the base's, or is its equal by btfmin.py.
# merge: modules onto their base, and with it, by btfmin.py.
# Prints one line per check, `ok` or `FAILED`, and `N passed, N failed` at the end. Exit status 1 if any failed. Needs no root.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

btfgen=${BTFGEN:-$root/target/release/btfgen}
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
work=${BTFGEN_WORK:-$cache/work/inspect}
list=$scripts/diff-6.12-7.3.tsv
need python3 python3
"$scripts/get-kernel.sh" 6.12
"$scripts/get-kernel.sh" 7.3
old=$(kernel_dir 6.12) new=$(kernel_dir 7.3)
lock "$work.lock"
rm -rf "$work"
mkdir -p "$work"

if [ "${1-}" = --list ]; then
    need gdb gdb
    TYPES=$(awk -F'\t' '!/^#/ { print $1 }' "$list" | uniq | xargs)
    export TYPES
    for kernel in "$old" "$new"; do
        gdb -nx -q -batch -x "$scripts/gdb-members.py" "$kernel/vmlinux" >"$work/$(basename "$kernel").json"
    done
    { grep '^#' "$list"; python3 "$scripts/diffcmp.py" list "$work/6.12.json" "$work/7.3.json"; } >"$work/list"
    mv "$work/list" "$list"
    exit
fi

passed=0 failed=0
check() { # check WHAT EXPECTED FOUND
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        printf 'ok      %s: %s\n' "$1" "$3"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s: %s, not %s\n' "$1" "$3" "$2"
    fi
}
status() { "$@" >"$work/out" 2>"$work/err" && echo 0 || echo $?; }

# --- stats ----------------------------------------------------------------------------------------------------------
# btfmin.py ends with 1 if there is anything redundant.
btfmin() { "$scripts/python.sh" "$scripts/btfmin.py" "$@" 2>/dev/null || [ $? = 1 ]; }
minimal() { # minimal BASE FILE...: in base, repeated, by btfmin.py
    local base=(--base "$1")
    [ "$1" != none ] || base=()
    shift
    btfmin "${base[@]}" "$@" | sed -n 's/^files.*, types \([0-9]*\), in base \([0-9]*\), repeated \([0-9]*\),.*/\1 types, \2 in base, \3 repeated/p'
}
of_stats() { # the last line of `stats --json` as minimal has it
    python3 -c 'import json, sys
types = json.loads(sys.stdin.readlines()[-1])["types"]
print("{} types, {} in base, {} repeated".format(*(types[key]["types"] for key in ("all", "in_base", "repeated"))))'
}
find -L "$new/modules" -name '*.ko' | LC_ALL=C sort >"$work/modules"
expected=$(minimal "$new/vmlinux" "$new/modules")
found=$("$btfgen" stats --json --btf_base "$new/vmlinux" "@$work/modules" | of_stats)
check "all modules as they are shipped, by stats and btfmin.py" "$expected" "$found"

# --- diff -----------------------------------------------------------------------------------------------------------
# Seconds of CPU time of this process, so that others on the machine do not count; the best of three.
seconds=9
for _ in 1 2 3; do
    TIMEFORMAT=%U+%S
    taken=$({ time "$btfgen" diff --json "$old/vmlinux" "$new/vmlinux" >"$work/diff.json" 2>"$work/err" || true; } 2>&1)
    seconds=$(awk -v best="$seconds" -v sum="$taken" 'BEGIN { split(sum, part, "+"); t = part[1] + part[2]; print t < best ? t : best }')
done
check "6.12 and 7.3 ($seconds s) differ in less than a second" yes "$(awk -v t="$seconds" 'BEGIN { print t < 1 ? "yes" : "no" }')"
python3 "$scripts/diffcmp.py" check "$list" "$work/diff.json" >"$work/structs" || true
grep -v '^[0-9]' "$work/structs"
read -r good _ bad _ < <(tail -n 1 "$work/structs")
passed=$((passed + good)) failed=$((failed + bad))
for kernel in "$old" "$new"; do
    name=$(basename "$kernel")
    check "diff of $name with itself" 0 "$(status "$btfgen" diff "$kernel/vmlinux" "$kernel/vmlinux")"
    check "$name merged" 0 "$(status "$btfgen" merge "$kernel/vmlinux" -o "$work/$name.btf")"
done
# Debian's 6.12 is not in the order of names, and what merge writes is.
check "diff of 6.12 with a copy in another order" 0 "$(status "$btfgen" diff "$old/vmlinux" "$work/6.12.btf")"
check "diff of 7.3 with a copy" 0 "$(status "$btfgen" diff "$new/vmlinux" "$work/7.3.btf")"

# --- why ------------------------------------------------------------------------------------------------------------
: >"$work/why"
while read -r module; do
    "$btfgen" why --json --most 1 --btf_base "$new/vmlinux" 'struct task_struct' "$module" >>"$work/why"
done < <("$btfgen" stats --json --largest 400 --btf_base "$new/vmlinux" "@$work/modules" |
    python3 -c 'import json, sys
for line in sys.stdin:
    of = json.loads(line)
    if "file" in of and any(m["name"] == "task_struct" and m["kind"] == "STRUCT" for m in of["largest"]):
        print(of["file"])')
answers=$(python3 -c 'import json, sys
reasons = [reason for line in sys.stdin for own in json.loads(line)["own"] for reason in own["reasons"]]
equal = sum(reason["reason"] == "in_base" for reason in reasons)
declared = sum(reason["reason"] == "differs" and reason["differences"][0]["only_declared"] for reason in reasons)
print(f"{len(reasons)} copies of task_struct: {equal} equal to the base\x27s, {declared} differ in what one only declares")' <"$work/why")
copies=$(btfmin --base "$new/vmlinux" "$new/modules" | sed -n 's/.*copies of task_struct \([0-9]*\).*/\1/p')
check "why, of all copies" "$copies" "${answers%% *}"
printf '        %s\n' "$answers"

# --- merge ----------------------------------------------------------------------------------------------------------
mapfile -t some < <(grep -E '/(net/xfrm|fs/nfs|drivers/nvme)/' "$work/modules")
check "${#some[@]} modules merged" 0 "$(status "$btfgen" merge --btf_base "$new/vmlinux" "${some[@]}" -o "$work/some.btf")"
types=$("$btfgen" stats --json --btf_base "$new/vmlinux" "$work/some.btf" | of_stats)
check "they have nothing twice, by btfmin.py" "${types%% *} types, 0 in base, 0 repeated" "$(minimal "$new/vmlinux" "$work/some.btf")"
check "with their base" 0 "$(status "$btfgen" merge --flatten --btf_base "$new/vmlinux" "${some[@]}" -o "$work/flat.btf")"
types=$("$btfgen" stats --json "$work/flat.btf" | of_stats)
check "that has nothing twice, by btfmin.py" "${types%% *} types, 0 in base, 0 repeated" "$(minimal none "$work/flat.btf")"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
