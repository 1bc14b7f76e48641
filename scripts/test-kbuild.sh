#!/bin/bash
# Builds modules outside the kernel's tree, and whole kernels, with Kbuild and btfgen in the place of pahole and resolve_btfids:
#   test-kbuild.sh [PART...]         the driver behind `make test-kbuild`; all parts if none is named
# Parts: 6.1 7.3 (modules), kernel-7.3 kernel-6.1 kernel-6.12 (test-kbuild-kernel.sh says what these are)
# Environment:
#   BTFGEN        the program under test (default: target/release/btfgen of this tree)
#   BTFGEN_WORK   where results and logs go (default: work/kbuild in the cache); emptied first
#   SMALL=1       kernels that are not compiled yet are left out, except the one of 7.3: each takes 8 minutes on 2 cores, once
# 6.1: Debian's headers, the compiler of this machine (gcc-12 of bookworm), and the vmlinux of the -dbg package as Kbuild wants it in the
# build tree. 7.3: Debian's headers, which have a vmlinux of BTF alone, and gcc-14 and make of trixie in a root of their own.
# The scripts of the trees are as Debian ships them. The reference is pahole 1.30, which writes arrays as both kernels' BTF has them, for
# 7.3 with the kernel's own resolve_btfids.
# Prints one line per check, `ok`, `FAILED` or `known`, and `N passed, N failed` at the end. Exit status 1 if any failed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

btfgen=$(readlink -f "${BTFGEN:-$root/target/release/btfgen}")
[ -x "$btfgen" ] || die "$btfgen is not there: cargo build --release"
work=${BTFGEN_WORK:-$cache/work/kbuild}
[ $# -gt 0 ] || set -- 6.1 7.3 kernel-7.3 kernel-6.1 kernel-6.12
left_out=()
need make make
need dkms dkms
need readelf binutils
"$scripts/get-reference-tools.sh" 1.30
"$scripts/get-reference-tools.sh" 1.32
pahole=$(tools_dir 1.30)/bin/pahole
bpftool=$(tools_dir 1.30)/bin/bpftool

lock "$work.lock"
rm -rf "$work"
mkdir -p "$work/links"
logs=$work
# What a user installs: links, whose names say what btfgen is to be.
ln -s "$btfgen" "$work/links/pahole"
ln -s "$btfgen" "$work/links/resolve_btfids"
ours=(PAHOLE="$work/links/pahole" RESOLVE_BTFIDS="$work/links/resolve_btfids")

series=''

# --- the trees ------------------------------------------------------------------------------------------------------
# run_make TREE ARGUMENT...: with the compiler that goes with the kernel. $tree and $vmlinux are the tree and what its modules stand on.
# link_tree FROM TO [VMLINUX]: a tree of links with another vmlinux, or none, so that Debian's stays as it is.
link_tree() {
    local entry
    mkdir "$2"
    for entry in "$1"/{.,}[!.]*; do
        if [ -e "$entry" ]; then ln -s "$(readlink -f "$entry")" "$2/"; fi
    done
    # Later trees say where they are.
    rm "$2/Makefile"
    sed "s#^KBUILD_OUTPUT=.*#KBUILD_OUTPUT=$2#" "$1/Makefile" >"$2/Makefile"
    rm -f "$2/vmlinux"
    [ -z "${3:-}" ] || ln -s "$(readlink -f "$3")" "$2/vmlinux"
}
prepare() {
    "$scripts/get-kernel.sh" "$series" --headers
    local kernel
    kernel=$(kernel_dir "$series")
    case $series in
    6.1)
        # The vmlinux must lie in the tree.
        tree=$work/tree-$series
        link_tree "$kernel/headers" "$tree" "$kernel/vmlinux"
        need gcc-12 gcc-12
        # Debian's 6.1 comes without resolve_btfids.
        theirs=(PAHOLE="$pahole" RESOLVE_BTFIDS="$work/links/resolve_btfids")
        run_make() { make -C "$@"; }
        ;;
    7.3)
        tree=$(readlink -f "$kernel/headers")
        "$scripts/get-debian-root.sh" "$compiler_suite" "${compiler_packages[@]}"
        "$scripts/get-resolve-btfids.sh" "$series"
        theirs=(PAHOLE="$pahole" RESOLVE_BTFIDS="$cache/tools/resolve_btfids-$series/resolve_btfids")
        run_make() { SHOW="$(dirname "$btfgen") $work" "$scripts/in-debian-root.sh" "$compiler_suite" make DEB_BUILD_ARCH=amd64 -C "$@"; }
        ;;
    *) die "no tree for $series here: 6.1 or 7.3" ;;
    esac
    vmlinux=$tree/vmlinux
}
# The flags of resolve_btfids come from Kbuild, which asks for a distilled base outside the tree since 7.0; this leaves it out.
plain=(RESOLVE_BTFIDS_FLAGS=)

# build NAME ARGUMENT...: the modules in $work/$series-NAME, all warnings of the BTF steps are errors
build() {
    local dir=$work/$series-$1
    shift
    [ -d "$dir" ] || cp -r "$root/tests/kbuild" "$dir"
    run_make "$tree" M="$dir" "$@" modules 2>&1 | tee "$dir/make.log" || return 1
    if grep -E 'Skipping BTF|^(WARN|ERROR|FAILED|btfgen)|btfgen: ' "$dir/make.log"; then
        echo "a step complains"
        return 1
    fi
    if find "$dir" -name '*.ko.BTF*' -o -name '*.btf' -o -name '*.new' | grep .; then
        echo "side files are left behind"
        return 1
    fi
    local file sizes=''
    for file in "$dir"/toy.ko "$dir"/toy_plain.ko; do
        objcopy --dump-section .BTF="$work/section" "$file" /dev/null || return 1
        [ "$(readelf -SW "$file" | grep -c ' \.BTF ')" = 1 ] || { echo "$file has more than one .BTF"; return 1; }
        sizes+="${sizes:+ and }$(stat -c %s "$work/section")"
    done
    echo "$sizes bytes of BTF"
}
base_of() { # FILE: what its BTF stands on
    if readelf -SW "$1" | grep -q ' \.BTF\.base '; then
        objcopy --dump-section .BTF.base="$1.base" "$1" /dev/null
        echo "$1.base"
    else
        echo "$vmlinux"
    fi
}
read_by_libbpf() { # NAME
    local file
    for file in "$work/$series-$1"/*.ko; do
        "$bpftool" -B "$(base_of "$file")" btf dump file "$file" >"$file.dump" || return 1
        grep -qE "(STRUCT|FUNC) 'toy_" "$file.dump" || { echo "$file: nothing of the module in it"; return 1; }
    done
    echo "both read"
}
# Aliases of the init and exit functions: they are functions like others, with an address and a prototype, which the reference leaves out.
printf '*\tfunc_missing\t%s\tan alias\n' init_module cleanup_module >"$work/more-than-reference.tsv"
same_types() { # OURS THEIRS: as type graphs, both ways
    local file ours theirs
    for file in toy.ko toy_plain.ko; do
        ours=$work/$series-$1/$file theirs=$work/$series-$2/$file
        # What btfgen says of the functions that it leaves out explains that they are missing.
        "$btfgen" --btf_base "$vmlinux" --btf_encode_detached="$work/report.btf" --functions-report "$work/report.tsv" "$ours" || return 1
        "$scripts/python.sh" "$scripts/btfcmp.py" --explain "$work/report.tsv" --base "$(base_of "$ours")" --reference-base "$(base_of "$theirs")" "$ours" "$theirs" || return 1
        "$scripts/python.sh" "$scripts/btfcmp.py" --known "$work/more-than-reference.tsv" --base "$(base_of "$theirs")" --reference-base "$(base_of "$ours")" "$theirs" "$ours" || return 1
    done
}
ids() { # NAME: what the ids of toy.ko mean
    local file=$work/$series-$1/toy.ko
    "$scripts/python.sh" "$scripts/btfids.py" --base "$(base_of "$file")" "$file"
}
ids_as_named() {
    ids "$1" || return 1
    [ "$(ids "$1" | grep -cE '^    FUNC bpf_toy_(acquire|release|sum) ')" = 3 ] || { echo "not the three kfuncs"; return 1; }
    echo "$(ids "$1" | grep -cE 'FUNC|STRUCT') ids, all as their symbols say"
}
same_ids() {
    # What cannot be resolved in a distilled base is unresolved in both.
    ids "$1" >"$work/ids.1" || true
    ids "$2" >"$work/ids.2" || true
    [ -s "$work/ids.1" ] && diff "$work/ids.1" "$work/ids.2" && echo "$(wc -l <"$work/ids.1") lines"
}
same_files() { # NAME NAME
    local file
    for file in toy.ko toy_plain.ko; do
        cmp "$work/$series-$1/$file" "$work/$series-$2/$file" || return 1
    done
    echo "identical"
}
# Another folder name would differ in the DWARF: build again in the same one.
again() { # NAME ARGUMENT...: from scratch
    local dir=$work/$series-$1
    rm -rf "$dir-before"
    mv "$dir" "$dir-before"
    build "$@" && same_files "$1" "$1-before"
}
relink() { # NAME ARGUMENT...: one source is newer
    local dir=$work/$series-$1
    rm -rf "$dir-before"
    cp -r "$dir" "$dir-before"
    touch "$dir/toy_shelf.c"
    build "$@" && grep -q 'BTF \[M\] .*toy.ko' "$dir/make.log" && same_files "$1" "$1-before"
}
without_vmlinux() { # K19: the message of the tree, and success
    local dir=$work/$series-none other=$work/tree-none-$series
    link_tree "$tree" "$other"
    cp -r "$root/tests/kbuild" "$dir"
    run_make "$other" M="$dir" "${ours[@]}" modules 2>&1 | tee "$dir/make.log" || return 1
    grep -q 'Skipping BTF generation for .*toy.ko due to unavailability of vmlinux' "$dir/make.log" || return 1
    if readelf -SW "$dir/toy.ko" | grep ' \.BTF '; then return 1; fi
    echo "built without BTF, as the tree says"
}
damaged_base() { # a step that fails must fail the build
    local dir=$work/$series-damaged other=$work/tree-damaged-$series
    head -c 100000 /dev/zero >"$work/zeros"
    link_tree "$tree" "$other" "$work/zeros"
    cp -r "$root/tests/kbuild" "$dir"
    if run_make "$other" M="$dir" "${ours[@]}" "${plain[@]}" modules 2>&1 | tee "$dir/make.log"; then
        echo "make says that all is well"
        return 1
    fi
    grep -q 'vmlinux: neither an ELF file nor raw BTF' "$dir/make.log" || { echo "make fails for another reason"; return 1; }
    echo "make fails, as it must"
}

# The example for DKMS, as it is but for names and paths, on a vmlinux made the way it says.
by_dkms() {
    local dkms=$work/dkms tree_with_btf=$work/tree-dkms release file
    local trees=(--dkmstree "$dkms/tree" --sourcetree "$dkms/src" --installtree "$dkms/installed")
    release=$(cat "$(kernel_dir "$series")/release")
    mkdir -p "$dkms"/{tree,installed,src}
    cp -r "$root/tests/kbuild" "$dkms/src/toy-1.0"
    sed -e 's/"foo"/"toy"/' -e "s#/usr/local/bin/btfgen-#$work/links/#g" "$root/contrib/dkms/dkms.conf" >"$dkms/src/toy-1.0/dkms.conf"
    objcopy --dump-section .BTF="$dkms/sysfs" "$vmlinux" /dev/null
    objcopy -I binary -O elf64-x86-64 --rename-section .data=.BTF "$dkms/sysfs" "$dkms/vmlinux"
    link_tree "$tree" "$tree_with_btf" "$dkms/vmlinux"
    dkms "${trees[@]}" add -m toy -v 1.0 || return 1
    dkms "${trees[@]}" -k "$release" --kernelsourcedir "$tree_with_btf" build -m toy -v 1.0 || { cat "$dkms/tree/toy/1.0/build/make.log"; return 1; }
    file=$(find "$dkms/tree" -path '*/module/toy.ko*')
    objcopy --dump-section .BTF="$dkms/theirs" "$file" /dev/null || return 1
    objcopy --dump-section .BTF="$dkms/ours" "$work/$series-ours/toy.ko" /dev/null
    cmp "$dkms/theirs" "$dkms/ours" && echo "the same $(stat -c %s "$dkms/ours") bytes of BTF as without DKMS"
}

# What the guide tells the author of a module, in its words: a vmlinux for the tree, which has none; then the build.
as_documented() {
    local KERNEL=$work/tree-documented BTF=$work/documented.btf dir=$work/documented name
    objcopy --dump-section .BTF="$BTF" "$vmlinux" /dev/null || return 1
    link_tree "$tree" "$KERNEL"
    cp -r "$root/tests/kbuild" "$dir"
    for name in pahole resolve_btfids; do ln -s "$btfgen" "$work/links/btfgen-$name"; done
    # First the kernel's part, which stands after the build in the guide.
    doc_commands docs/guide/driver.md scripts/test-kbuild.sh | sort -r >"$work/documented.sh"
    (cd "$dir" && PATH=$work/links:$PATH KERNEL=$KERNEL BTF=$BTF bash -euxc "$(cat "$work/documented.sh")") || return 1
    objcopy --dump-section .BTF="$work/theirs" "$dir/toy.ko" /dev/null || return 1
    objcopy --dump-section .BTF="$work/ours" "$work/$series-ours/toy.ko" /dev/null
    cmp "$work/theirs" "$work/ours" && echo "the same $(stat -c %s "$work/ours") bytes of BTF"
}

. "$scripts/test-kbuild-kernel.sh"
for series in "$@"; do
    case $series in
    kernel-*)
        if [ "${SMALL:-}" = 1 ] && [ "$series" != kernel-7.3 ] && [ ! -e "$cache/builds/${series#kernel-}/.complete" ]; then
            left_out+=("$series")
            continue
        fi
        printf '\nLinux %s, the whole of a small one\n' "${series#kernel-}"
        test_kernel "${series#kernel-}"
        continue
        ;;
    esac
    printf '\nLinux %s\n' "$series"
    check_prefix="$series "
    prepare
    check "both by btfgen" build ours "${ours[@]}" "${plain[@]}"
    check "both by btfgen: libbpf reads them" read_by_libbpf ours
    check "both by btfgen: ids" ids_as_named ours
    check "both by btfgen: once more, -j2" again ours "${ours[@]}" "${plain[@]}" -j2
    check "both by btfgen: after a change" relink ours "${ours[@]}" "${plain[@]}"
    check "both by btfgen, reproducible as Kbuild has it" build dated "${ours[@]}" "${plain[@]}" KBUILD_BUILD_TIMESTAMP=2026-01-01
    check "both by btfgen, reproducible: the same types" same_types ours dated
    check "by the reference" build theirs "${theirs[@]}" "${plain[@]}"
    check "types as by the reference" same_types ours theirs
    check "ids as by the reference" same_ids ours theirs
    check "pahole alone by btfgen" build encoded "PAHOLE=$work/links/pahole" "${theirs[1]}" "${plain[@]}"
    check "pahole alone by btfgen: types" same_types ours encoded
    check "resolve_btfids alone by btfgen" build resolved "${theirs[0]}" "RESOLVE_BTFIDS=$work/links/resolve_btfids" "${plain[@]}"
    check "resolve_btfids alone by btfgen: types" same_types resolved theirs
    check "resolve_btfids alone by btfgen: ids" same_ids resolved theirs
    if [ "$series" != 6.1 ]; then
        check "distilled, both by btfgen" build distilled "${ours[@]}"
        check "distilled: libbpf reads them" read_by_libbpf distilled
        check "distilled, by the reference" build distilled-theirs "${theirs[@]}"
        check "distilled: types as by the reference" same_types distilled distilled-theirs
        check "distilled: ids as by the reference" same_ids distilled distilled-theirs
    fi
    [ "$series" != 6.1 ] || check "by DKMS" by_dkms
    [ "$series" != 6.1 ] || check "as the guide says" as_documented
    check "without vmlinux" without_vmlinux
    check "with a damaged vmlinux" damaged_base
done

[ ${#left_out[@]} -eq 0 ] || printf '\nleft out, since they would have to be compiled first (SMALL=1): %s\n' "${left_out[*]}"
checked
