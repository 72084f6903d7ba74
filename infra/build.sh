#!/bin/sh
# Fills $ARTIFACTS_DIR with one Lambda function: locked wheels for arm64, our code, and bytecode. Run by `sam build` through the Makefile.
# Usage: ARTIFACTS_DIR=… infra/build.sh LOCK, where infra/LOCK.lock lists what the function imports.
set -eu

out=$ARTIFACTS_DIR
uv=$(infra/bootstrap.sh --uv)
mkdir -p "$out/gateway_core" "$out/handlers"
"$uv" pip install --quiet --link-mode copy --target "$out" --python-platform aarch64-manylinux2014 --python-version 3.13 \
    --only-binary :all: --no-deps --require-hashes -r "infra/$1.lock"

cp -R gateway_core/. "$out/gateway_core"
cp -R handlers/. "$out/handlers"
# What runs on one machine only, programs, type stubs and tests are dead weight at a cold start.
rm -rf "$out/gateway_core/local" "$out/gateway_core/cli" "$out/bin" "$out/.lock"
find "$out" -type d \( -name __pycache__ -o -name tests -o -name test \) -prune -exec rm -rf {} +
find "$out" -type f \( -name '*.pyi' -o -name '*.pyc' -o -name '*.c' -o -name '*.h' \) -delete

# Zipping changes times, and with them the validity of ordinary bytecode; without bytecode a cold start compiles every
# file and takes 3.6 times as long. Only Python 3.13 writes what the runtime python3.13 reads.
if python=$("$uv" python find --no-python-downloads --no-project 3.13 2>/dev/null); then
    "$python" -m compileall -q -f --invalidation-mode unchecked-hash -s "$out" -p /var/task "$out"
else
    # On standard output: of what a build says, `sam build` shows no more.
    echo "No Python 3.13 here, so no bytecode: the function works, and its cold starts take longer."
fi
