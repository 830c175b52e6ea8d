#!/bin/sh
# Runs uv: the one on PATH, else one that is installed into .uv with the Python >= 3.11 of this machine. `uv.sh fits` only
# tells whether .venv was made in this folder and its Python still runs.
set -eu
cd "$(dirname "$0")/../.."
here=$(pwd -P)
version=0.13.9
needed_kilobytes=500000

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

new_enough() { "$1" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

fits() { [ "$(cat .venv/.place 2>/dev/null)" = "$here" ] && new_enough .venv/bin/python; }

# The Python below an environment, for the environment that is active may be the one that is about to go.
find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$name" >/dev/null 2>&1 && new_enough "$name"; then
            "$name" -c 'import sys; print(getattr(sys, "_base_executable", "") or sys.executable)'
            return
        fi
    done
    fail "FlowTask needs Python 3.11 or newer, and there is none on PATH. Install it (from python.org or with your package manager) and run make again."
}

covered() {
    case "$(uname -s) $(uname -m)" in
    "Darwin arm64" | "Darwin x86_64") return 0 ;;
    "Linux x86_64" | "Linux aarch64") ! ldd --version 2>&1 | grep -qi musl ;;
    *) return 1 ;;
    esac
}

not_covered() {
    machine="$(uname -s) $(uname -m)"
    case "$machine" in
    Linux*) if ldd --version 2>&1 | grep -qi musl; then machine="$machine with musl"; fi ;;
    MINGW* | MSYS* | CYGWIN*) machine="$machine; on Windows use WSL 2" ;;
    esac
    fail "FlowTask's PostgreSQL exists for macOS and for Linux with glibc, on x86-64 and ARM64, and not for this machine ($machine); with a PostgreSQL and a NATS that you already have it runs all the same, docs/local.md says how."
}

free_kilobytes() { df -Pk . 2>/dev/null | awk 'NR == 2 { print $4 }'; }

# After an installation that failed: uv's own words stand above, this is what to do.
not_installed() {
    free=$(free_kilobytes)
    if [ "${free:-$needed_kilobytes}" -lt "$needed_kilobytes" ]; then
        fail "The disk that holds $here is full or nearly so (${free} kB are free): make room and run make again."
    fi
    fail "Installing did not succeed, the lines above say why; if this machine does not reach the package registry, check the network, behind a proxy set HTTPS_PROXY, and run make again: what is already there is kept."
}

install_uv() {
    say "Installing uv $version into .uv ..."
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        fail "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv, then run make again."
    fi
    "$python" -m venv --clear .uv || not_installed
    .uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$version" || not_installed
}

if [ "${1:-}" = fits ]; then
    fits
    exit
fi
case "${1:-} $*" in
"sync "*" --package "*) ;; # some packages alone, as docs/local.md shows for machines without these wheels
"sync "*) covered || not_covered ;;
esac
python=$(find_python)
[ -w . ] || fail "This user may not write into $here, where FlowTask would be installed: clone it into a folder of your own."

# One at a time in a folder: this file itself is locked, and the lock goes with the process, whatever ends it.
if [ "${FLOWTASK_UV_LOCKED_BY:-}" != $$ ]; then
    FLOWTASK_UV_LOCKED_BY=$$ exec "$python" -I -S -c '
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Another installation into this folder is under way; waiting for its end ...", file=sys.stderr, flush=True)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except KeyboardInterrupt:
        sys.exit(130)
except OSError:
    pass  # a file system without locks
os.set_inheritable(handle, True)
os.execv(sys.argv[1], sys.argv[1:])
' tools/local/uv.sh "$@"
fi

if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    uv=.uv/bin/uv
    [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" = "$version" ] || install_uv
fi

# The machine's own certificates, for those behind a proxy of their company. Older versions know another name for it.
case $("$uv" --version) in
"uv 0."[0-9].* | "uv 0.10."*) export UV_NATIVE_TLS="${UV_NATIVE_TLS:-1}" ;;
*) export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}" ;;
esac
export UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv
if [ "${1:-}" != sync ]; then
    [ -x .venv/bin/python ] || export UV_PYTHON="$python"
    exec "$uv" "$@"
fi

if [ -e .venv/.place ] && ! fits; then
    say "This folder has moved, or the Python of .venv is gone: making .venv anew ..."
    rm -rf .venv
fi
new_enough .venv/bin/python || export UV_PYTHON="$python"
say "Installing what FlowTask needs into .venv ..."
"$uv" "$@" || not_installed
printf '%s\n' "$here" >.venv/.place
