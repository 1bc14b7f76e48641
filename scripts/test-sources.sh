#!/bin/bash
# Changes where the DWARF of a kernel is, and looks whether its BTF stays the same:   test-sources.sh
#   - compressed (zlib, zstd, the old zlib-gnu), split off into a file of its own, found by its name or by build id: the same bytes, of
#     vmlinux and of a module;
#   - made smaller by dwz, alone or with an alternate file: the same types, functions and variables of vmlinux (dwz does not read
#     modules). It puts DIEs into another order, in which types without a name are numbered;
#   - a generated program of many units, split into .dwo files and a package of them: the same bytes; and optimised as a whole by clang
#     (full and thin) and gcc: the same types and functions, and about the same time per byte.
# Prints a line per check and `N passed, N failed`. Needs room for five vmlinux. Environment: KERNEL (7.3), MODULE (xfs), BTFGEN; SMALL=1: of
# vmlinux only zstd and dwz, of the program DWARF 5 and clang's optimisation.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=${KERNEL:-7.3}
btfgen=${BTFGEN:-$root/target/release/btfgen}
need dwz dwz
need clang clang
need ld.lld lld
need llvm-dwp llvm
"$scripts/get-kernel.sh" "$kernel"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
logs=$work/logs
mkdir "$logs"
cp -L "$(kernel_dir "$kernel")/vmlinux" "$work/vmlinux"
module=$(find -L "$(kernel_dir "$kernel")/modules" -name "${MODULE:-xfs}.ko" -print -quit)
[ -n "$module" ] || die "there is no module ${MODULE:-xfs} in that kernel"
cp "$module" "$work/module.ko"
cd "$work"

encode() { # encode FILE OUT [OPTION...]
    local base=()
    [[ $1 != *.ko ]] || base=(--btf_base vmlinux.btf)
    "$btfgen" "${base[@]}" "${@:3}" --btf_encode_detached "$2" "$1"
}
has_section() { # has_section FILE PATTERN: a line of readelf's that has it
    readelf -SW "$1" >headers && grep -Eq "$2" headers
}
same() { # same FILE OTHER: BTF of OTHER is that of FILE, byte for byte
    encode "$2" other.btf && cmp "$1.btf" other.btf && echo "$(stat -c %s other.btf) bytes, the same"
}
same_graph() { # same_graph BTF OTHER: the same types, functions and variables, none missing in either
    "$scripts/python.sh" "$scripts/btfcmp.py" "$1" "$2" && "$scripts/python.sh" "$scripts/btfcmp.py" "$2" "$1"
}
compressed() { # compressed FILE HOW SECTION
    objcopy --compress-debug-sections="$2" "$1" "packed-$1" || return 1
    has_section "packed-$1" "$3" || { echo "it is not compressed"; return 1; }
    same "$1" "packed-$1" || return 1
    rm "packed-$1"
}
split_off() { # split_off FILE
    local id
    objcopy --only-keep-debug "$1" "$1.debug" || return 1
    objcopy --strip-debug --add-gnu-debuglink="$1.debug" "$1" "stripped-$1" || return 1
    ! has_section "stripped-$1" debug_info || { echo "the DWARF is still there"; return 1; }
    same "$1" "stripped-$1" || return 1
    id=$(readelf -n "$1" | sed -n 's/.*Build ID: //p')
    mkdir -p "root/usr/lib/debug/.build-id/${id:0:2}"
    mv "$1.debug" "root/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
    BTFGEN_ROOT=$work/root same "$1" "stripped-$1" || return 1
    rm -r root
    ! encode "stripped-$1" other.btf 2>refused || { echo "encoded without DWARF"; return 1; }
    grep -q "no DWARF debug information.*looked for it at.*$1.debug" refused || { cat refused; return 1; }
    rm "stripped-$1"
    echo "the same bytes, by its name and by build id; without the debug file it says where it looked"
}
figures() { # figures FILE OUT: encodes it; processor time and memory
    /usr/bin/time -f '%U %S %M' -o figures "$btfgen" -j1 --btf_encode_detached "$2" "$1" || return 1
    awk '{ printf "%.2f s, %d MB", $1 + $2, $3 / 1024 }' figures
}
small() { # small FILE: what dwz made of vmlinux
    local whole small
    encode "$1" small.btf || return 1
    small=$(figures "$1" again.btf) && cmp small.btf again.btf || return 1
    whole=$(figures vmlinux again.btf) || return 1
    same_graph vmlinux.btf small.btf || return 1
    echo "the same types and functions; $(stat -c %s "$1") instead of $(stat -c %s vmlinux) bytes, $small instead of $whole"
}
dwz_alone() {
    dwz -L none -l none -o small vmlinux && small small && rm small
}
# What vmlinux has in common with another kernel's file; dwz takes a second one to find it.
dwz_alternate() {
    cp vmlinux first && cp vmlinux second || return 1
    dwz -L none -l none -m common first second || return 1
    rm second
    has_section first gnu_debugaltlink || { echo "dwz made no alternate file"; return 1; }
    small first && rm first common
}

# A program of 41 units that share 50 headers.
flags=(-g -O2 -std=gnu11 -ffreestanding -fno-pie -w -ffunction-sections -fno-stack-protector)
program() { # program COMPILER OUT FLAG...: compiles it
    local compiler=$1 out=$2
    shift 2
    mkdir -p "$out.d"
    cd "$out.d" || return 1
    printf '%s\n' ../program/*.c | xargs -P"$(nproc)" -I{} sh -c 'source=$1 && shift && exec "$@" -c -o "$(basename "$source" .c).o" "$source"' sh {} "$compiler" "${flags[@]}" "$@" || return 1
    cd ..
}
link() { # link OUT: by the linker alone
    ld -T "$root/tests/cases/kernel.lds" -e entry -o "$1" "$1.d"/*.o 2>/dev/null
}
plain() { # plain COMPILER
    [ ! -e "$1" ] || return 0
    program "$1" "$1" && link "$1" && "$btfgen" --btf_encode_detached "$1.btf" "$1"
}
split_dwarf() { # split_dwarf COMPILER VERSION
    plain "$1" || return 1
    program "$1" plain -gdwarf-"$2" && link plain && encode plain plain.btf || return 1
    program "$1" split -gdwarf-"$2" -gsplit-dwarf && link split && same plain split || return 1
    llvm-dwp -o split.dwp split.d/*.dwo && rm split.d/*.dwo && same plain split || return 1
    mv split.dwp away && ! encode split other.btf 2>refused || { echo "encoded without .dwo files"; return 1; }
    grep -q "which was not found; looked for it at split.dwp" refused || { cat refused; return 1; }
    rm -r plain split away plain.d split.d
    echo "the same bytes of .dwo files and of their package"
}
optimised() { # optimised COMPILER HOW LINKER...
    local compiler=$1 how=$2
    shift 2
    plain "$compiler" || return 1
    program "$compiler" lto "$how" || return 1
    "$compiler" "${flags[@]}" "$how" "$@" -nostdlib -no-pie -Wl,-e,entry -Wl,-T,"$root/tests/cases/kernel.lds" -o lto lto.d/*.o 2>linked || { cat linked; return 1; }
    encode lto lto.btf && same_graph "$compiler.btf" lto.btf || return 1
    # gcc leaves all types in the units of the source, and one unit with all functions refers to them.
    per_byte lto "$compiler" "$([ "$compiler" = gcc ] && echo 5 || echo 1.6)" || return 1
    rm -r lto lto.d
}
per_byte() { # per_byte FILE OTHER MOST: processor time per byte of .debug_info beside that of another file, at most so many times that: the best of ten, taking turns
    local run file
    : >times
    for run in 1 2 3 4 5 6 7 8 9 10; do
        for file in "$1" "$2"; do
            /usr/bin/time -f "$file %U %S" -a -o times "$btfgen" -j1 --btf_encode_detached other.btf "$file" || return 1
        done
    done
    for file in "$1" "$2"; do echo "$file bytes $(size -A "$file" | awk '$1 == ".debug_info" { print $2 }')"; done |
        awk -v a="$1" -v b="$2" -v most="$3" '
            $2 == "bytes" { bytes[$1] = $3; next }
            { time = $2 + $3; if (!($1 in best) || time < best[$1]) best[$1] = time }
            END {
                ratio = (best[a] / bytes[a]) / (best[b] / bytes[b])
                printf "the same types and functions; %.1f MB in %.2f s, without %.1f MB in %.2f s: %.2f times the time per byte\n",
                    bytes[a] / 1e6, best[a], bytes[b] / 1e6, best[b], ratio
                exit ratio > most
            }' - times
}

encode vmlinux vmlinux.btf
encode module.ko module.ko.btf
for file in vmlinux module.ko; do
    check "$file, compressed (zstd)" compressed "$file" zstd 'debug_info.* C '
    if [ -n "${SMALL:-}" ] && [ $file = vmlinux ]; then continue; fi
    check "$file, compressed (zlib)" compressed "$file" zlib 'debug_info.* C '
    check "$file, compressed (zlib-gnu)" compressed "$file" zlib-gnu '\.zdebug_info'
    check "$file, debug file" split_off "$file"
done
check "vmlinux, dwz" dwz_alone
if [ -z "${SMALL:-}" ]; then check "vmlinux, dwz with an alternate file" dwz_alternate; fi
rm -f vmlinux module.ko
"$scripts/kernel_like.py" program 40 50
versions=(4 5)
if [ -n "${SMALL:-}" ]; then versions=(5); fi
for compiler in gcc clang; do
    for version in "${versions[@]}"; do
        check "$compiler, DWARF $version, split" split_dwarf $compiler $version
    done
done
check "clang -flto=full" optimised clang -flto=full -fuse-ld=lld
check "clang -flto=thin" optimised clang -flto=thin -fuse-ld=lld
if [ -z "${SMALL:-}" ]; then check "gcc -flto" optimised gcc -flto -flto-partition=one; fi
checked
