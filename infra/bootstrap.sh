#!/bin/sh
# Makes .venv: the newest Python >= 3.11 that really runs, uv (its own copy when none is installed), locked packages.
# Usage: infra/bootstrap.sh LOCKFILE [VENV]; or --uv to print where uv is; or --oldest to print a Python 3.11, if one runs.
# Never touches system packages; downloads live in the user's cache folder.
set -eu

UV_VERSION=0.13.8
lock=$1
venv=${2:-.venv}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse

say() { printf '%s\n' "$*" >&2; }

# A name on PATH proves nothing (version managers leave shims of versions that are not active): run it.
runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        runs "$PYTHON" || { say "PYTHON=$PYTHON is not a Python 3.11 or newer that runs."; exit 1; }
        echo "$PYTHON"; return
    fi
    for minor in ${1:-14 13 12 11}; do
        for candidate in $(which -a "python3.$minor" 2>/dev/null) "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$minor".*/bin/python3; do
            if runs "$candidate"; then echo "$candidate"; return; fi
        done
    done
    if [ -n "${1:-}" ]; then exit 1; fi
    for candidate in $(which -a python3 python 2>/dev/null); do
        if runs "$candidate"; then echo "$candidate"; return; fi
    done
    say "Gatehouse needs Python 3.11 or newer, and none on PATH runs. Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python) or name it: PYTHON=/path/to/python3 make dev"
    exit 1
}

find_uv() {
    if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then command -v uv; return; fi
    own=$cache/uv-$UV_VERSION
    if ! "$own/bin/uv" --version >/dev/null 2>&1; then
        if ! "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; then
            package=$("$1" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
            say "$1 cannot make virtual environments: its venv/ensurepip modules are missing. On Debian and Ubuntu install the package $package (apt install $package), then run this again."
            exit 1
        fi
        say "Installing uv $UV_VERSION into $own"
        rm -rf "$own"
        "$1" -m venv "$own" && "$own/bin/pip" install --quiet --disable-pip-version-check "uv==$UV_VERSION" >&2
    fi
    echo "$own/bin/uv"
}

if [ "$lock" = --oldest ]; then find_python 11; exit; fi
python=$(find_python)
uv=$(find_uv "$python")
if [ "$lock" = --uv ]; then echo "$uv"; exit 0; fi
base=$("$python" -c 'import sys; print(sys.base_prefix, sys.version)')
wanted=$(cat "$lock" pyproject.toml infra/bootstrap.sh | cksum)" $base $(pwd)"
stamp=$venv/.gatehouse-${lock%.lock}
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && runs "$venv/bin/python"; then exit 0; fi

if ! runs "$venv/bin/python" || [ "$("$venv/bin/python" -c 'import sys; print(sys.base_prefix, sys.version)')" != "$base" ]; then
    say "Making $venv with $("$python" -V) ($python)"
    "$uv" venv --quiet --clear --python "$python" "$venv"
fi
say "Installing the packages of $lock"
"$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"
# The project itself, editable. hatchling comes from the lock, so nothing unpinned is fetched to build it.
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
echo "$wanted" >"$stamp"
