#!/bin/bash
# Runs a command with the programs of a Debian suite (get-debian-root.sh):   in-debian-root.sh SUITE COMMAND...
# It sees that root, and at their usual places /dev, /proc, the cache, the current folder, and the folders named in $SHOW (by spaces);
# OUTSIDE=INSIDE in $SHOW is a folder that stands elsewhere there. Without root this needs user namespaces.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || usage
new=$cache/roots/$1
shift
[ -e "$new/.complete" ] || die "$new is not there: get-debian-root.sh"
need unshare util-linux
flags=(--mount)
[ "$(id -u)" = 0 ] || flags+=(--map-root-user)
# shellcheck disable=SC2016
exec unshare "${flags[@]}" sh -ec '
    new=$1 show=$2 here=$3; shift 3
    for dir in $show; do
        mkdir -p "$new${dir#*=}"
        mount --rbind "${dir%%=*}" "$new${dir#*=}"
    done
    exec chroot "$new" sh -c '\''cd "$1"; shift; exec "$@"'\'' sh "$here" "$@"' sh "$new" "/dev /proc $cache $PWD ${SHOW:-}" "$PWD" "$@"
