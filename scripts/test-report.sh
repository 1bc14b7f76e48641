#!/bin/bash
# The page of `btfgen report` for a real kernel and all its modules, and for files with odd names, in a headless Chromium:   test-report.sh
# Pictures of what was seen, light and dark, wide and narrow, are in $BTFGEN_WORK/pictures-*.
# Prints a line per check and `N passed, N failed`. Environment: KERNEL (7.3), BTFGEN, BTFGEN_WORK (default: work/report in the cache).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-7.3}
btfgen=${BTFGEN:-$root/target/release/btfgen}
work=${BTFGEN_WORK:-$cache/work/report}
for tool in tidy:tidy python3:python3 gcc:gcc; do need "${tool%%:*}" "${tool##*:}"; done
"$scripts/get-kernel.sh" "$kernel"
dir=$(kernel_dir "$kernel")
lock "$work.lock"
rm -rf "${work:?}"/{logs,odd,pictures-kernel,pictures-odd} "$work"/*.html
logs=$work/logs
mkdir -p "$logs" "$work"/{odd/dir,pictures-kernel,pictures-odd}

# A module of each odd name: what HTML, its scripts or paths would make something of.
odd=("<img src=x onerror=window.evil=1>.ko" "&lt;b&gt;.ko" "\"' onfocus=window.evil=1 '\".ko" '{{data}}.ko' '</script><script>window.evil=1<' $'new\nline.ko' "__proto__.ko"
    constructor.ko "$(printf 'x%.0s' {1..200}).ko")
cat >"$work/odd.c" <<'END'
struct thing { int x; struct thing *next; };
int use(struct thing *t) { return t->x; }
END
gcc -g -c -o "$work/odd.o" "$work/odd.c"
gcc -g -nostdlib -static -Wl,-e,use -o "$work/odd/vmlinux" "$work/odd.c"
for name in "${odd[@]}"; do
    case $name in */*) mkdir -p "$work/odd/${name%%/*}" && name=$name.ko ;; esac
    mkdir -p "$(dirname "$work/odd/dir/$name")"
    cp "$work/odd.o" "$work/odd/dir/$name"
done

page() { "$btfgen" report "$dir" -o "$work/kernel.html" && echo "$(wc -c <"$work/kernel.html") bytes"; }
again() { RAYON_NUM_THREADS=1 "$btfgen" report "$dir" -o "$work/again.html" && cmp "$work/kernel.html" "$work/again.html" && echo "the same bytes by one thread"; }
odd_page() { "$btfgen" "$work/odd/vmlinux" && "$btfgen" report "$work/odd" -o "$work/odd.html" && echo "${#odd[@]} names"; }
# Its figures are those of `btfgen stats`, and its sizes those of the files that btfgen writes.
figures() {
    "$btfgen" stats --json -B "$dir/vmlinux" --modules-dir "$dir/modules" >"$work/stats.json" || return 1
    mkdir -p "$work/out" && "$btfgen" -q -B "$dir/vmlinux" --detached-dir "$work/out" "$dir"/modules/fs/*/*.ko || return 1
    python3 - "$work" <<'END'
import json, os, re, sys
work = sys.argv[1]
page = open(f"{work}/kernel.html").read()
data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))
total = json.loads(open(f"{work}/stats.json").read().splitlines()[-1])
modules = [f for f in data["files"] if f["path"] != "vmlinux"]
for own, other in (("bytes", total["bytes"]), ("strings", total["string_bytes"]), ("redefined", total["base"]["redefined"])):
    found = sum(f[own] for f in modules)
    assert found == other, f"{own}: {found}, not {other}"
redundant = total["types"]["in_base"]["bytes"] + total["types"]["repeated"]["bytes"]
assert sum(f["redundant_bytes"] for f in modules) == redundant, redundant
assert sum(sum(k[2] for k in f["kinds"]) for f in modules) == total["type_bytes"]
assert len(modules) == total["files"] and data["failures"] == []
written = {os.path.basename(f["path"]): f["written"] for f in modules}
outs = os.listdir(f"{work}/out")
assert len(outs) > 20
for out in outs:
    size = os.path.getsize(f"{work}/out/{out}")
    assert written[out.removesuffix(".btf")] == size, (out, size, written[out.removesuffix(".btf")])
print(f"{len(modules)} modules, {total['bytes']} bytes, {redundant} redundant; {len(outs)} written ones")
END
}
well_formed() { tidy -e -q "$1" && echo "no word of tidy"; }
in_browser() { "$scripts/python.sh" "$scripts/reportcheck.py" "$1" "$2"; }

check "all modules of $kernel" page
check "deterministic" again
check "figures" figures
check "well-formed" well_formed "$work/kernel.html"
check "in a browser" in_browser "$work/kernel.html" "$work/pictures-kernel"
check "files with odd names" odd_page
check "well-formed" well_formed "$work/odd.html"
check "odd names in a browser" in_browser "$work/odd.html" "$work/pictures-odd"
checked
