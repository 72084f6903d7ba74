# Everything a person or CI runs. Each target brings what it needs; nothing here touches system packages.
.DEFAULT_GOAL := help
SHELL := /bin/sh

.PHONY: help dev test lint lock env

help:
	@printf '%s\n' \
	  'make dev          start the gateway on 127.0.0.1:$${PORT:-8787} with a demo server and a working key' \
	  'make test         everything CI runs' \
	  'make lint         ruff and mypy' \
	  'make lock         renew the lock files after a change to pyproject.toml'

dev:
	@infra/bootstrap.sh requirements.lock
	@exec .venv/bin/gatehouse dev

env:
	@infra/bootstrap.sh requirements-dev.lock

test: lint
	@.venv/bin/python -m pytest -n 2

lint: env
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

lock:
	@uv=$$(infra/bootstrap.sh --uv) && set -- --generate-hashes --no-emit-index-url --universal --no-header -q && \
	$$uv pip compile pyproject.toml --group build "$$@" -o requirements.lock && \
	$$uv pip compile pyproject.toml --group build --group dev -c requirements.lock "$$@" -o requirements-dev.lock
