#!/bin/sh
# Prints the bin folder of an environment made from infra/tools/NAME.lock; makes it in the user's cache folder at the first call.
# Usage: infra/tool.sh NAME. Needs .venv (make env), whose Python it uses. Never touches .venv or system packages.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
lock=$root/infra/tools/$1.lock
python=$root/.venv/bin/python
if ! [ -f "$lock" ]; then echo "There is no $lock." >&2; exit 1; fi
if ! "$python" -V >/dev/null 2>&1; then echo "$python does not run; make env first." >&2; exit 1; fi

base=$("$python" -c 'import sys; print(sys.base_prefix, sys.version)')
mark=$({ cat "$lock"; echo "$base"; } | cksum | cut -d ' ' -f 1)
env=${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse/$1-$mark

if ! [ -d "$env" ]; then
    # Made beside its place and moved there when whole: two calls at once, or a broken one, leave no half environment.
    new=$env.$$
    trap 'rm -rf "$new"' EXIT
    uv=$("$root/infra/bootstrap.sh" --uv)
    echo "Installing $1 into $env" >&2
    mkdir -p "$(dirname "$env")"
    "$uv" venv --quiet --relocatable --python "$python" "$new"
    "$uv" pip install --quiet --python "$new/bin/python" --require-hashes -r "$lock"
    [ -d "$env" ] || mv "$new" "$env"
fi
echo "$env/bin"
