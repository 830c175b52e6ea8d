#!/bin/sh
# Runs uv: the one on PATH, else one that is installed into .uv with the Python >= 3.11 of this machine.
set -eu
cd "$(dirname "$0")/../.."
version=0.13.9

say() { printf '%s\n' "$*" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$name" >/dev/null 2>&1 && new_enough "$name"; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    say "FlowTask needs Python 3.11 or newer, and there is none on PATH. Install it (from python.org or with your package manager) and run make again."
    exit 1
}

covered() {
    case "$(uname -s) $(uname -m)" in
    "Darwin arm64" | "Darwin x86_64") return 0 ;;
    "Linux x86_64" | "Linux aarch64") ! ldd --version 2>&1 | grep -qi musl ;;
    *) return 1 ;;
    esac
}

if [ "${1:-}" = sync ] && ! covered; then
    say "FlowTask's PostgreSQL exists for macOS and for Linux with glibc, on x86-64 and ARM64, and not for this machine ($(uname -s) $(uname -m))."
    exit 1
fi
python=$(find_python)
if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    uv=.uv/bin/uv
    if [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" != "$version" ]; then
        say "Installing uv $version into .uv ..."
        if ! "$python" -m venv --clear .uv; then
            rm -rf .uv
            say "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv, then run make again."
            exit 1
        fi
        .uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$version"
    fi
fi

# The machine's own certificates, for those behind a proxy of their company. Older versions know another name for it.
case $("$uv" --version) in
"uv 0."[0-9].* | "uv 0.10."*) export UV_NATIVE_TLS="${UV_NATIVE_TLS:-1}" ;;
*) export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}" ;;
esac
export UV_PYTHON_DOWNLOADS=never
[ -x .venv/bin/python ] || export UV_PYTHON="$python"
if [ "${1:-}" = sync ]; then
    say "Installing what FlowTask needs into .venv ..."
fi
exec "$uv" "$@"
