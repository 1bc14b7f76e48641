#!/bin/bash
# The workflow of contrib/archive, run by Snakemake:   test-archive.sh
#   - Debian's three cloud kernels: killed (kill -9) after the first one is done, resumed: complete, no job done twice, every output accepted by
#     `btfgen verify`, the same bytes as without an interruption;
#   - small packages over HTTP and from files: killed again and again; servers that fail; wrong checksums, damaged and wrong packages, modules
#     that cannot be encoded or are refused by verify, which are reported and do not stop the others; lists and settings that are wrong;
#   - as an executor for a cluster runs it: one job per kernel, with a shared folder and without one;
#   - `snakemake --lint`; the profiles for Slurm and Kubernetes plan the same jobs as the local one (these two executors themselves do not run here).
# Prints a line per check and `N passed, N failed`. Environment:
#   BTFGEN        default: target/release/btfgen
#   BTFGEN_WORK   where results and logs go (default: work/archive in the cache); emptied first
#   SMALL=1       only small packages
set -euo pipefail
. "$(dirname "$0")/lib.sh"

btfgen=${BTFGEN:-$root/target/release/btfgen}
work=${BTFGEN_WORK:-$cache/work/archive}
archive=$root/contrib/archive
series=(6.1 6.12 7.3)
for command in dpkg-deb:dpkg zstd:zstd xz:xz-utils rsync:rsync setsid:util-linux objcopy:binutils; do need "${command%:*}" "${command#*:}"; done
[ -n "${SMALL:-}" ] || for kernel in "${series[@]}"; do "$scripts/get-kernel.sh" "$kernel"; done
lock "$work.lock"
rm -rf "$work"
logs=$work/logs
mkdir -p "$logs"

# Snakemake in an environment of its own, made anew when the requirements change. cluster-generic is for this test only: an executor that
# calls a command to submit a job, as other clusters do.
venv=$cache/venv-archive-$(sha256sum <"$archive/requirements.txt" | cut -c 1-12)
if [ ! -e "$venv/.complete" ]; then
    say "preparing Snakemake in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" || die "no virtual environment: install python3-venv (Python 3.11 or newer)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$archive/requirements.txt" snakemake-executor-plugin-cluster-generic==1.0.9 ||
        die "cannot install what contrib/archive/requirements.txt names: is PyPI reachable?"
    touch "$venv/.complete"
fi
export PATH=$venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=$work/cache
snake() { # snake FOLDER PROFILE OPTION...
    local folder=$1 profile=$2
    shift 2
    case $profile in */*) ;; *) profile=$archive/profiles/$profile ;; esac
    snakemake --snakefile "$archive/Snakefile" --profile "$profile" --directory "$folder" "$@" --config btfgen="$btfgen" "${settings[@]}"
}
settings=()
jobs_of() { "$scripts/archive_jobs.py" "$1" "$2"/.snakemake/log/*.log | sort; }
summaries() { find "$1" -name summary.json | wc -l; }
begin_list() { # begin_list FOLDER
    mkdir -p "$1"
    grep -v '^#' "$archive/kernels.tsv" >"$1/kernels.tsv"
}
add() { # add FOLDER RELEASE SOURCE SHA256 [ARCH]
    printf 'debian\t13\t%s\t%s\t%s\t%s\n' "${5:-x86_64}" "$2" "$3" "$4" >>"$1/kernels.tsv"
}
sum() { sha256sum <"$1" | cut -d ' ' -f 1; }
# Costs differ from run to run.
same_archive() { diff -r -x cost.json -x report.tsv "$1" "$2"; }
column() { awk -F '\t' -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i } NR > 1 { print $column }' "$1"; }

# killed FOLDER COMMAND...: begins a run in a process group of its own, kills it with all its children when COMMAND succeeds. Fails if the run
# ended before.
killed() {
    local folder=$1 leader
    shift
    setsid --fork --wait bash -c 'echo $$ >"$0/leader"; exec "$@"' "$folder" snakemake --snakefile "$archive/Snakefile" --profile "$archive/profiles/local" --directory "$folder" \
        --config btfgen="$btfgen" >>"$folder/out" 2>&1 &
    while [ ! -s "$folder/leader" ]; do sleep 0.1; done
    leader=$(cat "$folder/leader")
    rm "$folder/leader"
    while kill -0 "$leader" 2>/dev/null && ! "$@"; do sleep 0.1; done
    kill -9 -- "-$leader" 2>/dev/null || return 1
    wait || true
}
# once_only FOLDER: no job finished twice; what began twice was interrupted.
once_only() {
    jobs_of finished "$1" >"$1/finished"
    jobs_of begun "$1" >"$1/begun"
    ! uniq -d "$1/finished" | grep . || { echo "done twice"; return 1; }
    comm -13 <(uniq "$1/finished") <(uniq "$1/begun") | { ! grep .; } || { echo "begun and not done"; return 1; }
}

# --- Small packages: the stand-in kernel of kernel-fixtures.
fixtures=$work/fixtures packages=$work/packages
mkdir -p "$packages"
make -s -C "$root/kernel-fixtures" BUILD="$fixtures" >"$logs/fixtures" 2>&1 || die "kernel-fixtures cannot be built: $logs/fixtures"
tree() { # tree RELEASE [BANNER]: an unpacked package, in $packages/RELEASE.root
    local debug=$packages/$1.root/usr/lib/debug
    mkdir -p "$debug/boot" "$debug/lib/modules/$1/kernel/drivers" "$packages/$1.root/usr/share/doc"
    printf 'Linux version %s (nobody@nowhere)\n' "${2:-$1}" >"$work/banner"
    objcopy --add-section .banner="$work/banner" "$fixtures/vmlinux" "$debug/boot/vmlinux-$1"
    cp "$fixtures/driver.ko" "$debug/lib/modules/$1/kernel/drivers"
    ln -s "../../debug/boot/vmlinux-$1" "$packages/$1.root/usr/share/doc/vmlinux-$1"
}
deb() { # deb RELEASE: packs that tree
    mkdir "$packages/$1.root/DEBIAN"
    printf 'Package: linux-image-%s-dbg\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <nobody@example.org>\nDescription: test\n' "$1" >"$packages/$1.root/DEBIAN/control"
    dpkg-deb --root-owner-group -Zxz -b "$packages/$1.root" "$packages/$1.deb" >/dev/null
}
for release in 6.1.1 6.1.2 6.1.3 6.1.4 6.2.1 6.2.2 6.2.6 6.2.8; do tree "$release" && deb "$release"; done
tree 6.1.5 && tar -C "$packages/6.1.5.root" -cJf "$packages/6.1.5.tar.xz" usr
tree 6.1.6
tree 6.2.4 6.2.40 && deb 6.2.4
tree 6.2.5 && rm -r "$packages/6.2.5.root/usr/lib/debug/lib" && deb 6.2.5
tree 6.2.7 && truncate -s 20000 "$packages/6.2.7.root/usr/lib/debug/lib/modules/6.2.7/kernel/drivers/driver.ko" && deb 6.2.7
head -c "$(($(stat -c %s "$packages/6.2.2.deb") * 2 / 3))" "$packages/6.2.2.deb" >"$packages/cut.deb"
head -c "$(($(stat -c %s "$packages/6.1.5.tar.xz") * 2 / 3))" "$packages/6.1.5.tar.xz" >"$packages/cut.tar.xz"
"$scripts/archive_server.py" "$packages" >"$work/port" 2>"$logs/server" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
while [ ! -s "$work/port" ]; do sleep 0.1; done
url=http://127.0.0.1:$(cat "$work/port")

good=$work/good
begin_list "$good"
add "$good" 6.1.1 "$url/6.1.1.deb" "$(sum "$packages/6.1.1.deb")"
add "$good" 6.1.2 "file://$packages/6.1.2.deb" "$(sum "$packages/6.1.2.deb")"
add "$good" 6.1.3 "$url/busy/6.1.3.deb" "$(sum "$packages/6.1.3.deb")"
add "$good" 6.1.4 "$url/cut/6.1.4.deb" "$(sum "$packages/6.1.4.deb")"
add "$good" 6.1.5 "$url/6.1.5.tar.xz" "$(sum "$packages/6.1.5.tar.xz")"
add "$good" 6.1.6 "$packages/6.1.6.root" -

# accepted FOLDER: all that is in an archive, unpacked by zstd and tar and asked about one by one, and as the summaries and the index say.
accepted() {
    local summary folder files=0
    while read -r summary; do
        folder=$(dirname "$summary")
        rm -rf "$work/look"
        mkdir -p "$work/look/modules"
        zstd -q -d "$folder/vmlinux.btf.zst" -o "$work/look/vmlinux.btf" && tar -C "$work/look/modules" --zstd -xf "$folder/modules.btf.tar.zst" || return 1
        "$btfgen" verify "$work/look/vmlinux.btf" && find "$work/look/modules" -name '*.btf' -exec "$btfgen" verify --btf_base "$work/look/vmlinux.btf" {} + >"$work/look/said" || return 1
        ! grep -v ': ok: ' "$work/look/said" || return 1
        python3 - "$folder" "$work/look" "$1" <<'END' || return 1
import hashlib, json, pathlib, sys
folder, look, archive = map(pathlib.Path, sys.argv[1:])
sha256 = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
summary = json.loads((folder / "summary.json").read_text())
modules = {path.name: path.stat().st_size for path in (look / "modules").iterdir()}
assert summary["vmlinux"]["sha256"] == sha256(look / "vmlinux.btf")
assert modules == {f"{module['name']}.ko.btf": module["bytes"] for module in summary["modules"]["each"]} and len(modules) == summary["modules"]["count"] > 0
path = "/".join(summary[key] for key in ("id", "version_id", "arch", "release"))
assert path == str(folder.relative_to(archive))
header, *rows = [line.split("\t") for line in (archive / "index.tsv").read_text().splitlines()]
(row,) = [row for row in map(dict, (zip(header, row) for row in rows)) if row["path"] == path]
assert row["build_id"] == summary["build_id"] and row["base_sha256"] == sha256(folder / "vmlinux.btf.zst")
assert row["modules_sha256"] == sha256(folder / "modules.btf.tar.zst")
END
        files=$((files + 1 + $(find "$work/look/modules" -type f | wc -l)))
    done < <(find "$1" -name summary.json | sort)
    rm -rf "$work/look"
    echo "$files files"
    [ "$files" -gt 0 ]
}

lint() { snake "$good" local --lint >"$work/lint" 2>&1 && tail -n 1 "$work/lint"; }
profiles() {
    local profile
    for profile in local slurm kubernetes; do
        # Not the jobs of storage providers, of which there are none; only what is announced.
        snake "$good" "$profile" --dry-run >"$work/plan.$profile" 2>&1 || { tail "$work/plan.$profile"; return 1; }
        "$scripts/archive_jobs.py" begun "$work/plan.$profile" | sort >"$work/jobs.$profile"
        cmp "$work/jobs.local" "$work/jobs.$profile" || return 1
    done
    [ "$(wc -l <"$work/jobs.local")" = 35 ] && echo "35 jobs for each of them"
}
packages_run() {
    local open
    snake "$good" local --cores 2 >"$good/out" 2>&1 || { tail -n 30 "$good/out"; return 1; }
    open=$("$scripts/archive_jobs.py" open "$(find "$good/.snakemake/log" -name '*.log' | sort | tail -n 1)")
    [ "$open" -le 2 ] || { echo "$open kernels at a time on two cores"; return 1; }
    [ "$(summaries "$good")" = 6 ] && once_only "$good" && [ ! -e "$good/work" ] || { find "$good/work" | head; return 1; }
    [ "$(column "$good/archive/report.tsv" status | sort | uniq -c | tr -s ' ')" = " 6 done" ] && accepted "$good/archive"
}
nothing_left() {
    snake "$good" local >"$work/again" 2>&1 && grep -q 'Nothing to be done' "$work/again" && echo "nothing to be done"
}
again_and_again() {
    local folder=$work/often kills=0 end
    mkdir "$folder" && cp "$good/kernels.tsv" "$folder"
    while [ $kills -lt 4 ]; do
        # From before the first job to the last of them; the first time before all is done, which takes some seconds on an idle machine.
        end=$(($(date +%s%N) + (1000 + (kills > 0) * RANDOM % 4000) * 1000000))
        later() { [ "$(date +%s%N)" -ge "$end" ]; }
        killed "$folder" later || break
        kills=$((kills + 1))
        snake "$folder" local --unlock >>"$folder/out" 2>&1 || return 1
    done
    snake "$folder" local >>"$folder/out" 2>&1 || { tail -n 30 "$folder/out"; return 1; }
    once_only "$folder" && same_archive "$good/archive" "$folder/archive" && [ ! -e "$folder/work" ] || return 1
    [ "$kills" -gt 0 ] || { echo "all was done before it could be killed"; return 1; }
    echo "$kills times, the same bytes"
}
changed_line() {
    local folder=$work/changed
    cp -r "$good" "$folder"
    rm -rf "$folder"/.snakemake/log
    sed -i "s#$url/6.1.1.deb#file://$packages/6.1.1.deb#" "$folder/kernels.tsv"
    snake "$folder" local >"$folder/out" 2>&1 || { tail -n 30 "$folder/out"; return 1; }
    [ "$(jobs_of finished "$folder" | awk '{ print $2 }' | sort -u)" = debian/13/x86_64/6.1.1 ] && [ "$(jobs_of finished "$folder" | wc -l)" = 6 ] || { jobs_of finished "$folder"; return 1; }
    # A wrong checksum: reported, though what was there before stays.
    sed -i "/6.1.2.deb/s/$(sum "$packages/6.1.2.deb")/$(sum "$packages/6.1.1.deb")/" "$folder/kernels.tsv"
    ! snake "$folder" local >"$folder/out" 2>&1 || return 1
    grep -qP '^failed\tdebian/13/x86_64/6.1.2\tfetch\t.*wrong checksum' "$folder/archive/report.tsv" || { cat "$folder/archive/report.tsv"; return 1; }
    # Of the other one the source is in the summary.
    ! diff -rq -x cost.json -x report.tsv "$good/archive" "$folder/archive" | grep -v '/6.1.1/summary.json ' || return 1
    echo "6 jobs, of this kernel alone"
}

# failures FOLDER EXPECTED: exit status 1; the report has the lines `RELEASE<tab>STEP<tab>PATTERN` of EXPECTED as failed, all others as done; of
# the failed ones nothing is in the archive.
failures() {
    local status=0 release step pattern line
    snake "$1" local >"$1/out" 2>&1 || status=$?
    [ $status = 1 ] || { echo "exit status $status"; tail -n 30 "$1/out"; return 1; }
    while IFS=$'\t' read -r release step pattern; do
        line=$(grep -P "^failed\t[^\t]*/\Q$release\E\t$step\t" "$1/archive/report.tsv") || { echo "$release is not reported"; cat "$1/archive/report.tsv"; return 1; }
        grep -qE "$pattern" <<<"$line" || { echo "$release: $line"; return 1; }
        ! find "$1/archive" -path "*/$release/*" | grep . || return 1
    done <"$2"
    [ "$(grep -c '^failed' "$1/archive/report.tsv")" = "$(wc -l <"$2")" ] && [ "$(grep -c '^done' "$1/archive/report.tsv")" = "$(summaries "$1")" ] || { cat "$1/archive/report.tsv"; return 1; }
    [ "$(($(wc -l <"$1/archive/index.tsv") - 1))" = "$(summaries "$1")" ] && [ "$(summaries "$1")" -gt 0 ]
}
bad_packages() {
    local folder=$work/bad
    begin_list "$folder"
    add "$folder" 6.1.1 "$url/6.1.1.deb" "$(sum "$packages/6.1.1.deb")"
    add "$folder" 6.2.1 "$url/6.2.1.deb" "$(sum "$packages/6.1.1.deb")"
    add "$folder" 6.2.2 "$url/cut.deb" "$(sum "$packages/cut.deb")"
    add "$folder" 6.1.5 "file://$packages/cut.tar.xz" "$(sum "$packages/cut.tar.xz")"
    add "$folder" 6.2.3 "$url/none.deb" "$(sum "$packages/cut.deb")"
    add "$folder" 6.2.30 "file://$packages/none.deb" "$(sum "$packages/cut.deb")"
    add "$folder" 6.2.31 "$packages/none" -
    add "$folder" 6.2.4 "$url/6.2.4.deb" "$(sum "$packages/6.2.4.deb")"
    add "$folder" 6.2.5 "$url/6.2.5.deb" "$(sum "$packages/6.2.5.deb")"
    add "$folder" 6.2.6 "$url/6.2.6.deb" "$(sum "$packages/6.2.6.deb")" aarch64
    add "$folder" 6.2.7 "$url/6.2.7.deb" "$(sum "$packages/6.2.7.deb")"
    add "$folder" 6.2.8 "$url/6.2.8.deb" "$(sum "$packages/6.2.8.deb")"
    printf '%s\t%s\t%s\n' 6.2.1 fetch 'wrong checksum: its SHA-256 is [0-9a-f]+, the list says' 6.2.2 unpack dpkg-deb 6.1.5 unpack 'damaged package' \
        6.2.3 fetch 'HTTP status 404' 6.2.30 fetch 'No such file' 6.2.31 unpack 'no such folder' 6.2.4 base 'does not call itself .Linux version 6.2.4' \
        6.2.5 unpack 'no modules' 6.2.6 base 'EM_X86_64, not for aarch64' 6.2.7 modules 'btfgen: exit status 3: .*driver.ko' >"$work/bad.expected"
    failures "$folder" "$work/bad.expected" && echo "10 reported, 2 done"
}
mended() {
    # The wrong checksum is corrected, and the right package is where there was none.
    local folder=$work/bad
    sed -i "/6.2.1.deb/s/$(sum "$packages/6.1.1.deb")/$(sum "$packages/6.2.1.deb")/" "$folder/kernels.tsv"
    rm -rf "$folder"/.snakemake/log
    sed -i '/^6\.2\.1\t/d' "$work/bad.expected"
    failures "$folder" "$work/bad.expected" || return 1
    ! jobs_of begun "$folder" | grep -E '/6\.(1\.1|2\.8)$' || return 1
    echo "done now; the others were left alone"
}
refused() {
    # An encoder that damages what it has written: what verify refuses does not get into the archive. And one that kills the step, as a
    # kernel does that has no memory left.
    local folder=$work/refused
    begin_list "$folder"
    add "$folder" 6.1.1 "$url/6.1.1.deb" "$(sum "$packages/6.1.1.deb")"
    add "$folder" 6.1.2 "$packages/6.1.6.root" -
    add "$folder" 6.1.3 "$url/6.1.3.deb" "$(sum "$packages/6.1.3.deb")"
    add "$folder" 6.1.6 "$packages/6.1.6.root" -
    cat >"$work/damaging" <<END
#!/bin/bash
"$btfgen" "\$@" || exit
case "\$*" in *--btf_encode_detached*6.1.3/*) kill -9 "\$PPID" ;; esac
case "\$*" in *6.1.1/*--detached-dir*) printf '\377\377\377' | dd of="\$(echo "\${@: -3:1}")/driver.ko.btf" bs=1 seek=40 conv=notrunc status=none ;; esac
END
    chmod +x "$work/damaging"
    printf '%s\t%s\t%s\n' 6.1.1 verify "btfgen verify: driver.ko.btf is refused: \\[[0-9]+\\] Invalid btf_info:affffff: .* \\(M3\\)" 6.1.2 unpack 'no vmlinux of this release' \
        6.1.3 base 'ended without a message' >"$work/refused.expected"
    btfgen=$work/damaging failures "$folder" "$work/refused.expected" && echo "not in the archive; a step that is killed is reported"
}
bases() {
    # vmlinux with DWARF and BTF by base=shipped; one without DWARF by what it has.
    local folder=$work/bases shipped=$work/shipped.btf release path
    begin_list "$folder"
    for release in 6.3.1 6.3.2; do
        tree "$release"
        path=$packages/$release.root/usr/lib/debug/boot/vmlinux-$release
        # Not what btfgen would make of it now.
        "$btfgen" --dialect arrays=flat,float=off "$path" || return 1
        objcopy -O binary --set-section-flags .BTF=alloc -j .BTF "$path" "$shipped.$release" || return 1
        add "$folder" "$release" "$packages/$release.root" -
    done
    strip -g "$path"
    sed '/6.3.2/!d' "$folder/kernels.tsv" >"$work/line"
    sed -i '/6.3.2/d' "$folder/kernels.tsv"
    settings=(base=shipped compression=xz)
    snake "$folder" local >"$folder/out" 2>&1 || { tail -n 30 "$folder/out"; return 1; }
    xz -dc "$folder/archive/debian/13/x86_64/6.3.1/vmlinux.btf.xz" | cmp - "$shipped.6.3.1" || return 1
    xz -dc "$folder/archive/debian/13/x86_64/6.3.1/modules.btf.tar.xz" | tar -t | grep -qx driver.ko.btf || return 1
    cat "$work/line" >>"$folder/kernels.tsv"
    settings=()
    snake "$folder" local >"$folder/out" 2>&1 || { tail -n 30 "$folder/out"; return 1; }
    zstd -q -dc "$folder/archive/debian/13/x86_64/6.3.2/vmlinux.btf.zst" | cmp - "$shipped.6.3.2" || return 1
    # Other settings: done again, of the DWARF.
    ! zstd -q -dc "$folder/archive/debian/13/x86_64/6.3.1/vmlinux.btf.zst" | cmp -s - "$shipped.6.3.1" || return 1
    grep -q '"base": "dwarf"' "$folder/archive/debian/13/x86_64/6.3.1/summary.json" && grep -q '"base": "shipped"' "$folder/archive/debian/13/x86_64/6.3.2/summary.json" || return 1
    echo "both are vmlinux's own"
}
wrong_lists() {
    local folder=$work/wrong count=0 line pattern
    begin_list "$folder"
    cp "$folder/kernels.tsv" "$work/header"
    complains() { # complains PATTERN [OPTION...]
        local pattern=$1
        shift
        ! snake "$folder" local "$@" >"$folder/out" 2>&1 || { echo "no error: $pattern"; return 1; }
        grep -qE "$pattern" "$folder/out" || { tail -n 5 "$folder/out"; return 1; }
        count=$((count + 1))
    }
    # Most of them without Snakemake, which takes seconds to begin.
    while IFS=@ read -r line pattern; do
        { cat "$work/header"; printf "$line\n"; } >"$folder/kernels.tsv"
        ! PYTHONPATH=$archive/scripts python3 -c 'import archive, sys; archive.read_list(sys.argv[1])' "$folder/kernels.tsv" 2>"$folder/out" || return 1
        grep -qE "^ValueError: .*kernels.tsv:2: $pattern" "$folder/out" || { cat "$folder/out"; return 1; }
        count=$((count + 1))
    done <<'END'
debian\t13\tx86_64\t6.1.1\t/x@5 columns instead of 6
debian\t13\t..\t6.1.1\t/x\t-@arch: `..` is no such name
debian\t13\tx86_64\t6.1/1\t/x\t-@release: `6.1/1`
debian\t13\tx86_64\t6.1.1\tx.deb\t-@source: `x.deb` is no URL
debian\t13\tx86_64\t6.1.1\tftp://x/x.deb\t-@source: `ftp://x/x.deb` is no URL
debian\t13\tx86_64\t6.1.1\thttp://x/x.deb\t-@sha256: 64 hexadecimal digits
debian\t13\tx86_64\t6.1.1\t/x\tabc@sha256: has to be - for a folder
END
    { cat "$work/header"; printf 'debian\t13\tx86_64\t6.1.1\t/x\t-\n%.0s' 1 2; } >"$folder/kernels.tsv"
    complains 'kernels.tsv:3: debian/13/x86_64/6.1.1 was there before' || return 1
    rm "$folder/kernels.tsv"
    complains 'No such file or directory: .kernels.tsv' || return 1
    cp "$good/kernels.tsv" "$folder"
    settings=(compression=gzip)
    complains 'compression: zstd or xz, not gzip' || return 1
    settings=(base=other)
    complains 'base: dwarf or shipped, not other' || return 1
    [ ! -e "$folder/archive" ] && echo "$count errors"
}
cluster() { # cluster NAME STORE LINE...: by an executor that submits jobs; the archive has to be that of the local run
    local folder=$work/$1 store=$2
    shift 2
    mkdir -p "$folder/profile" "$store"
    cp "$good/kernels.tsv" "$folder"
    cat >"$folder/submit" <<'END'
#!/bin/bash
echo "$1" >>submitted
setsid bash "$1" >/dev/null 2>&1 </dev/null &
echo $!
END
    chmod +x "$folder/submit"
    printf '%s\n' "executor: cluster-generic" "cluster-generic-submit-cmd: $folder/submit" "jobs: 3" "latency-wait: 10" "keep-going: true" "$@" >"$folder/profile/config.yaml"
    snake "$folder" "$folder/profile" >"$folder/out" 2>&1 || { tail -n 30 "$folder/out"; return 1; }
    same_archive "$good/archive" "$store/archive" && [ ! -e "$store/work" ] && [ "$(wc -l <"$folder/submitted")" = 6 ] || { wc -l "$folder/submitted"; return 1; }
    echo "6 jobs for 6 kernels, the same bytes"
}
without_sharing() {
    cluster apart "$work/store" "default-storage-provider: fs" "default-storage-prefix: $work/store" "shared-fs-usage: [sources, source-cache, persistence]"
}

check "lint" lint
check "slurm and kubernetes plan what local does" profiles
check "packages by HTTP, from files, in a folder" packages_run
check "a second run" nothing_left
check "killed again and again" again_and_again
check "a line that has changed" changed_line
check "packages that are wrong" bad_packages
check "one of them is mended" mended
check "what verify refuses" refused
check "the base that vmlinux ships" bases
check "lists and settings that are wrong" wrong_lists
check "by a cluster's executor" cluster shared "$work/shared"
check "by one without a shared folder" without_sharing

# --- The kernels of the cache.
real_list() {
    local kernel
    begin_list "$1"
    for kernel in "${series[@]}"; do add "$1" "$(cat "$(kernel_dir "$kernel")/release")" "$(realpath "$(kernel_dir "$kernel")")/root" -; done
}
whole() {
    real_list "$work/whole"
    snake "$work/whole" local >"$work/whole/out" 2>&1 || { tail -n 30 "$work/whole/out"; return 1; }
    [ "$(summaries "$work/whole")" = 3 ] && [ ! -e "$work/whole/work" ] && once_only "$work/whole" || return 1
    column "$work/whole/archive/report.tsv" cpu_seconds | paste -sd ' ' | sed 's/$/ s of CPU/'
}
# The moment that the first kernel is there, and a part of a second more.
interrupted() {
    local folder=$work/killed done_first done_then
    real_list "$folder"
    first_is_there() { [ "$(summaries "$folder")" -ge 1 ] && sleep "0.$((RANDOM % 10))"; }
    killed "$folder" first_is_there || { echo "it had ended before"; tail -n 5 "$folder/out"; return 1; }
    done_first=$(jobs_of finished "$folder" | wc -l)
    [ "$(summaries "$folder")" -lt 3 ] && echo "killed after $done_first of 15 jobs" || return 1
}
resumed() {
    local folder=$work/killed
    jobs_of finished "$folder" >"$work/before"
    snake "$folder" local --unlock >>"$folder/out" 2>&1 || return 1
    snake "$folder" local >>"$folder/out" 2>&1 || { tail -n 30 "$folder/out"; return 1; }
    [ "$(summaries "$folder")" = 3 ] && [ ! -e "$folder/work" ] && once_only "$folder" || return 1
    [ "$(wc -l <"$folder/finished")" = 15 ] && [ -z "$(comm -23 "$work/before" "$folder/finished")" ] || { cat "$folder/finished"; return 1; }
    echo "$(wc -l <"$work/before") jobs before, $((15 - $(wc -l <"$work/before"))) after, of them $(($(wc -l <"$folder/begun") - 15)) a second time since they were killed"
}
same_bytes() { same_archive "$work/whole/archive" "$work/killed/archive" && du -sb "$work/killed/archive" | sed 's/\t.*/ bytes/'; }
found() {
    # As a loader would: by the build id of the running kernel, and by its release.
    local kernel id path
    for kernel in "${series[@]}"; do
        id=$(readelf -n "$(kernel_dir "$kernel")/vmlinux" 2>/dev/null | sed -n 's/ *Build ID: //p' | head -n 1)
        path=$(awk -F '\t' -v id="$id" '$1 == id { print $6 }' "$work/killed/archive/index.tsv")
        [ "$path" = "debian/13/x86_64/$(cat "$(kernel_dir "$kernel")/release")" ] && [ -e "$work/killed/archive/$path/vmlinux.btf.zst" ] || return 1
        # And it is what btfgen makes of this kernel by itself.
        "$btfgen" --btf_encode_detached "$work/direct.btf" "$(kernel_dir "$kernel")/vmlinux" && zstd -q -dc "$work/killed/archive/$path/vmlinux.btf.zst" | cmp - "$work/direct.btf" || return 1
    done
    rm -f "$work/direct.btf"
    echo "by build id"
}
if [ -z "${SMALL:-}" ]; then
    check "6.1, 6.12, 7.3" whole
    check "killed after the first of them" interrupted
    check "resumed" resumed
    check "no difference" same_bytes
    check "every file is accepted" accepted "$work/killed/archive"
    check "what a loader finds" found
fi
checked
