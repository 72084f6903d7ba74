"""The rules of the house, executed: who imports whom, how large things are, what the data plane never loads."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "gateway_core").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")])
MAX_LINES, MAX_FUNCTION = 300, 40

ROWS: list[set[str]] = [
    {"errors", "settings", "telemetry"},
    {"ports", "headers", "json_text", "parts", "sealing", "storage.keys", "vault"},
    {"registry", "access"},
    {"protocol"},
    {"egress", "upstream", "connect", "issuer", "signin"},
    {"proxy", "admin"},
    {"storage", "aws", "local", "web"},
    {
        "compose",
        "compose_accounts",
        "compose_examining",
        "compose_late",
        "compose_lean",
        "compose_oauth",
        "compose_stack",
        "cli",
        "local.server",
    },
    {"handlers"},
]
"""A module imports from its own row or a row above. `a.b` takes one module out of its package's row."""

DATA_PLANE_NEVER_LOADS = {
    "aiohttp", "authlib", "boto3", "botocore", "fastapi", "httpx", "httpx2", "jinja2", "joserfc", "mangum", "mcp",
    "mcp_types", "pydantic", "sqlite3", "starlette", "typer", "uvicorn", "yaml",
}  # fmt: skip
ADMIN_API_NEVER_LOADS = DATA_PLANE_NEVER_LOADS - {"fastapi", "mangum", "pydantic", "starlette"}
"""Signing in has its own function: what it takes would be a third of this one's cold start."""
LOADED_LATE = (
    # What judges tokens of other issuers, and signs the gateway's own.
    "cryptography.hazmat.primitives.asymmetric.rsa", "gateway_core.access.jwt_", "gateway_core.access.patterns",
    "gateway_core.upstream.identity_",
    # What gets tokens for upstreams.
    "gateway_core.compose_accounts", "gateway_core.protocol.challenges", "gateway_core.upstream.auth.accounts",
    "gateway_core.upstream.auth.token_exchange", "gateway_core.upstream.connections", "gateway_core.upstream.leases",
    "gateway_core.upstream.refreshing", "gateway_core.upstream.token_",
)  # fmt: skip
"""What the data plane loads with the first call that needs it: an eighth of a start, and plain calls never do."""
MAX_COMPARED = 16
"""Classes of the data plane whose every method is compiled at each start, 0.4 ms each. See docs/decisions/0016."""
HTTP_CLIENTS = {"httpx", "httpx2", "aiohttp", "requests", "urllib3", "http.client", "urllib.request", "httptools"}
MAY_SPEAK_HTTP = {"egress", "cli", "handlers"}
"""egress is the door; the command line is a client of the gateway; the runtime loop speaks to the Lambda platform."""
THIRD_PARTY_BY_PART = {
    "authlib": {"issuer", "signin"},
    "joserfc": {"issuer", "signin"},
    "jinja2": {"web"},
    "fastapi": {"web", "compose"},
    "starlette": {"web"},
    "pydantic": {"admin", "cli", "local", "web"},
    "mangum": {"handlers"},
    "uvicorn": {"local"},
    "mcp": {"local"},
    "typer": {"cli"},
    "yaml": {"cli"},
    "sqlite3": {"storage"},
}
DRAWERS = {"utils", "util", "helpers", "common", "services", "service", "managers", "manager", "models", "constants",
           "base", "misc", "shared", "lib"}  # fmt: skip


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "gateway_core":
        parts = parts[1:]
    return ".".join(part for part in parts if part != "__init__")


def row_of(name: str) -> int:
    first = name.partition(".")[0]
    exact = [row for row, members in enumerate(ROWS) if name in members]
    if exact:
        return exact[0]
    found = [row for row, members in enumerate(ROWS) if first in members]
    assert found, f"{name} stands in no row: give it one in tests/test_architecture.py and docs/architecture.md"
    return found[0]


def imports(path: Path) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                # `from package import module` is an import of the module.
                inner = f"{node.module}.{alias.name}"
                yield (inner if _is_module(inner) else node.module or ""), node


def _is_module(dotted: str) -> bool:
    path = ROOT / Path(*dotted.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_nothing_imports_uphill():
    modules = {name_of(path) for path in SOURCES}
    uphill = []
    for path in SOURCES:
        own = name_of(path)
        if not own:
            continue
        for imported, _ in imports(path):
            target = imported.removeprefix("gateway_core.")
            if imported.partition(".")[0] not in ("gateway_core", "handlers") or target not in modules:
                continue
            if row_of(target) > row_of(own):
                uphill.append(f"{own} (row {row_of(own)}) imports {target} (row {row_of(target)})")
    assert uphill == []


def test_the_storage_adapters_are_known_to_compositions_alone():
    adapters = ("storage.sqlite", "storage.dynamo", "aws.", "local.")
    strays = [
        f"{name_of(path)} imports {imported}"
        for path in SOURCES
        for imported, _ in imports(path)
        if imported.removeprefix("gateway_core.").startswith(adapters)
        and imported.startswith("gateway_core.")
        and name_of(path).partition(".")[0]
        not in ("storage", "aws", "local", "compose_lean", "compose_stack", "compose", "cli")
    ]
    assert strays == []


@pytest.mark.parametrize("library", sorted(THIRD_PARTY_BY_PART))
def test_a_library_is_used_where_it_belongs_and_nowhere_else(library):
    strays = [
        name_of(path)
        for path in SOURCES
        for imported, _ in imports(path)
        if imported.split(".")[0] == library and name_of(path).partition(".")[0] not in THIRD_PARTY_BY_PART[library]
    ]
    assert strays == []


def test_only_egress_makes_outbound_requests():
    strays = [
        f"{name_of(path)} imports {imported}"
        for path in SOURCES
        for imported, _ in imports(path)
        if any(imported == client or imported.startswith(f"{client}.") for client in HTTP_CLIENTS)
        and name_of(path).partition(".")[0] not in MAY_SPEAK_HTTP
    ]
    assert strays == []


MAY_IMPORT_LATE = {"cli.app", "compose", "compose_accounts", "compose_late", "compose_lean"}
"""The command line, and what is loaded only where a deployment uses it."""


def test_imports_stand_at_the_top_except_where_something_is_loaded_late():
    strays = []
    for path in SOURCES:
        top = set(ast.parse(path.read_text()).body)
        nested = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        if (
            len(nested) > sum(isinstance(node, ast.Import | ast.ImportFrom) for node in top)
            and name_of(path) not in MAY_IMPORT_LATE
        ):
            strays.append(name_of(path))
    assert strays == []


def test_files_and_functions_stay_small():
    large = []
    for path in SOURCES:
        text = path.read_text()
        if text.count("\n") > MAX_LINES:
            large.append(f"{name_of(path)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    large.append(f"{name_of(path)}.{node.name}: {lines} lines")
    tests = sorted((ROOT / "tests").rglob("*.py"))
    large += [str(path.relative_to(ROOT)) for path in tests if path.read_text().count("\n") > MAX_LINES]
    assert large == []


def test_every_module_says_what_it_is_for_and_none_has_a_drawers_name():
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} does not say what it is for"
        assert not DRAWERS & set(path.relative_to(ROOT).with_suffix("").parts), f"{path} is a drawer"


def test_only_settings_and_the_runtime_loop_read_the_environment():
    readers = {
        name_of(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    assert readers <= {"settings", "handlers.runtime"}


ON_AWS = {"PATH": "", "REGISTRY_TABLE": "r", "GRANTS_TABLE": "g", "AWS_REGION": "eu-west-1"}
LOADED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import {module}
print(json.dumps(sorted(sys.modules)))
"""


def loaded_by(module: str) -> set[str]:
    """Modules in memory when the function `module` has started."""
    code = LOADED.format(module=module)
    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], env=ON_AWS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_admin_api_loads_nothing_that_only_signing_in_takes():
    modules = loaded_by("handlers.api")
    assert {name.partition(".")[0] for name in modules} & ADMIN_API_NEVER_LOADS == set()
    late = ("gateway_core.issuer.issuer", "gateway_core.signin.provider", "gateway_core.web.oauth.app")
    assert [name for name in modules if name.startswith(late)] == []


def test_the_data_plane_loads_none_of_the_heavy_libraries():
    modules = loaded_by("handlers.mcp")
    assert {name.partition(".")[0] for name in modules} & DATA_PLANE_NEVER_LOADS == set()
    assert [name for name in modules if name.startswith(LOADED_LATE)] == []


COMPARED = """
import sys
import handlers.mcp
for name, module in list(sys.modules.items()):
    for made in list(vars(module).values()) if name.startswith("gateway_core") else ():
        if isinstance(made, type) and made.__module__ == name and "__dataclass_params__" in vars(made):
            if made.__dataclass_params__.eq:
                print(f"{name}.{made.__qualname__}")
"""


def test_few_classes_of_the_data_plane_are_dataclasses_that_compare():
    found = subprocess.run(
        [sys.executable, "-c", COMPARED], env=ON_AWS, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert found
    assert len(found) <= MAX_COMPARED, f"make a NamedTuple or a part of what is new among {found}"
