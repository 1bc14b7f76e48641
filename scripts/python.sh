#!/bin/bash
# Runs a Python that has numpy:   python.sh SCRIPT ARG...
# The system's python3 if it has numpy, else a virtual environment in the cache (made on first use), else, as root with apt,
# Debian's python3-numpy.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need python3 python3
export PYTHONDONTWRITEBYTECODE=1 # leave no __pycache__ in the tree
has_numpy() { "$1" -c 'import numpy' 2>/dev/null; }
venv=$cache/venv
if has_numpy python3; then
    exec python3 "$@"
fi
if ! has_numpy "$venv/bin/python3"; then
    lock "$cache/venv.lock"
    if ! has_numpy "$venv/bin/python3"; then
        say "preparing a Python with numpy in $venv"
        log=$(mktemp)
        rm -rf "$venv"
        if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check numpy; } >"$log" 2>&1; then
            if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get install -y -q python3-numpy >>"$log" 2>&1 && has_numpy python3; then
                rm -rf "$venv" "$log"
                exec python3 "$@"
            fi
            tail -n 5 "$log" >&2
            rm -rf "$venv" "$log"
            die "no Python with numpy: install python3-numpy, or python3-venv and let PyPI be reachable"
        fi
        rm -f "$log"
    fi
    exec 9>&-
fi
exec "$venv/bin/python3" "$@"
