# shellcheck shell=bash
# Shared by the scripts of this folder: where things are cached, which kernel comes from which suite, messages, locks.
# To be sourced after `set -euo pipefail`.
#
#   BTFGEN_CACHE            default ${XDG_CACHE_HOME:-~/.cache}/btfgen; holds everything that was downloaded or derived:
#     kernels/<7.3|...>/      a Debian kernel with DWARF: vmlinux, modules/, release, .complete    (get-kernel.sh); of another
#                             architecture with its names: 7.3-arm64-cloud-arm64
#     tools/<suite>/bin/      pahole and bpftool of that suite, on a private libc         (get-reference-tools.sh)
#     reference/<release>/    what those tools made of the kernel's modules                   (encode-reference.sh)
#     roots/<suite>/          packages of that suite, unpacked, to run compilers in                (get-debian-root.sh)
#     builds/<7.3|...>/       a small kernel compiled from Debian's source: source/, build/  (get-kernel-build.sh)
#     venv/                   Python with numpy, when the system's has none                            (python.sh)
#   BTFGEN_DEBIAN_MIRROR    default: the mirror that this machine's apt uses, else deb.debian.org

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # used by those who source this
root=$(dirname "$scripts")
cache=${BTFGEN_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set and neither is BTFGEN_CACHE}/.cache}/btfgen}

# The one table of kernels: series, Debian suite that has it.
kernel_table="
6.1   bookworm
6.12  trixie
7.2   sid
7.3   trixie-backports
"

# The one table of architectures: Debian's name, the smallest flavour of its kernel, what the names of its tools begin with.
arch_table="
amd64    cloud-amd64  x86_64-linux-gnu
arm64    cloud-arm64  aarch64-linux-gnu
armhf    armmp        arm-linux-gnueabihf
i386     686          i686-linux-gnu
ppc64el  powerpc64le  powerpc64le-linux-gnu
riscv64  riscv64      riscv64-linux-gnu
s390x    s390x        s390x-linux-gnu
"
# Modules that every one of these kernels has: for a small test.
# shellcheck disable=SC2034
few_modules=(xfs btrfs nf_conntrack)

# What the kernels and modules of the tests are compiled with: packages of trixie, for get-debian-root.sh. gcc-12 is for 6.1, as in
# bookworm, from which it comes.
# shellcheck disable=SC2034
compiler_suite=trixie
# shellcheck disable=SC2034
compiler_packages=(gcc-14 gcc-12 make binutils sed grep gawk findutils diffutils tar gzip xz-utils cpio flex bison bc perl python3-minimal kmod
    libc6-dev libelf-dev libelf1t64 zlib1g-dev)

# The one table of reference encoders: version of pahole, Debian suite that has it.
# shellcheck disable=SC2034
reference_table="
1.32  sid
1.30  trixie
"

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2; exit 2; }

need() { # need COMMAND PACKAGE: a command that a script cannot do without
    command -v "$1" >/dev/null || die "$1 is missing: install the package \`$2\` (scripts/setup.sh does so where it can)"
}

# lookup TABLE KEY: second column of the row whose first column is KEY; fails when there is none.
lookup() { awk -v key="$2" '$1 == key { print $2; found = 1 } END { exit !found }' <<<"$1"; }
keys() { awk 'NF { printf "%s%s", sep, $1; sep = " " }' <<<"$1"; }

kernel_suite() {
    lookup "$kernel_table" "$1" || die "no kernel \`$1\` here: KERNEL is one of $(keys "$kernel_table")"
}
# kernel_dir SERIES [ARCH [FLAVOUR]]: amd64's cloud flavour, which most tests are about, has the series alone for its name.
kernel_dir() {
    local arch=${2:-amd64} flavour
    flavour=${3:-$(kernel_flavour "$arch")}
    if [ "$arch/$flavour" = amd64/cloud-amd64 ]; then echo "$cache/kernels/$1"; else echo "$cache/kernels/$1-$arch-$flavour"; fi
}
kernel_flavour() { # of an architecture, where nobody asks for another one
    lookup "$arch_table" "$1" || die "no kernel of \`$1\` here: ARCH is one of $(keys "$arch_table")"
}
arch_tool() { # arch_tool ARCH NAME: a program of binutils for files of an architecture
    awk -v key="$1" -v name="$2" '$1 == key { print (key == "amd64" ? "" : $3 "-") name }' <<<"$arch_table"
}

tools_dir() { # of a pahole version
    local suite
    suite=$(lookup "$reference_table" "$1") || die "no reference tools \`$1\` here: one of $(keys "$reference_table")"
    echo "$cache/tools/$suite"
}

# doc_commands PAGE SCRIPT: the commands of a page of the documentation that say that SCRIPT runs them; tests/docs.rs looks after the others.
doc_commands() {
    awk -v mark="<!-- run by $2 -->" '
        $0 == mark { wanted = 1; next }
        wanted && /^```sh$/ { inside = 1; next }
        inside && /^```$/ { wanted = inside = 0; next }
        inside { print; found = 1 }
        END { exit !found }' "$root/$1" || die "$1 has no commands for $2"
}

# lock FILE: one of us at a time; held (file descriptor 9) until the script ends.
lock() {
    mkdir -p "$(dirname "$1")"
    exec 9>"$1"
    if ! flock -n 9; then
        say "waiting for another run that holds $1"
        flock 9
    fi
}

# check NAME COMMAND...: ok if the command succeeds; its last line of output is the figure. What it wrote is kept in a file of $logs, a
# folder; $check_prefix stands before each name. `checked` says at the end how many passed, and fails if one did not.
passed=0 failed=0 check_prefix=''
check() {
    local name=$check_prefix$1 log began seconds verdict
    shift
    log=${logs:?}/$(printf '%02d' $((passed + failed + 1)))-${name//[^a-zA-Z0-9.=-]/_}.log
    began=$(date +%s%N)
    if ("$@") >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1)) verdict=ok
    else
        failed=$((failed + 1)) verdict=FAILED
    fi
    seconds=$(awk -v ns=$(($(date +%s%N) - began)) 'BEGIN { printf "%.1f", ns / 1e9 }')
    printf '%-6s  %s: %s (%s s)\n' "$verdict" "$name" "$(tail -n 1 "$log")" "$seconds"
    if [ "$verdict" = FAILED ]; then
        tail -n 20 "$log" | sed 's/^/            /'
        say "            all of it: $log"
    fi
}
checked() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
}

# same_but_functions OURS THEIRS [BASE]: folders of files with the same types, as graphs. Functions that the base has under the same name and
# prototype are only in ours: the kernel's tool merges them into the base.
same_but_functions() {
    local said
    said=$("$scripts/python.sh" "$scripts/btfcmp.py" --pairs ${3:+--base "$3"} "$1" "$2") || { echo "$said"; return 1; }
    echo "$said"
    awk '/^(ours|reference):/ { for (i = 2; i <= NF; i++) if ($i ~ /^types/) types[$1] = $(i - 1) }
        /^files / { for (i = 2; i <= NF; i++) if ($(i - 1) == "extra") extra = $i + 0 }
        END { exit types["ours:"] == 0 || types["ours:"] - types["reference:"] != extra }' <<<"$said" || { echo "more than functions differ"; return 1; }
}
