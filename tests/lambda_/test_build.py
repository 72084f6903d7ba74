"""What `sam build` makes: each function's folder, as it is zipped."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lambda_.emulator import emulator
from tests.lambda_.events import rest
from tests.programs import ROOT, alone, environment

pytestmark = pytest.mark.tools

LOADED = """
import json, sys
from pathlib import Path
import {module}
print(json.dumps([module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]))
"""
FUNCTIONS = {"McpFunction": "handlers.mcp", "ApiFunction": "handlers.api", "OAuthFunction": "handlers.oauth"}
SETTINGS = {"REGISTRY_TABLE": "r", "GRANTS_TABLE": "g", "AWS_REGION": "eu-west-1"}
NOT_NEEDED = {"python_multipart"}
"""Loaded by FastAPI where it is installed, for forms, which the admin API does not take."""
UNCHECKED_HASH = 0b01
"""Flags of a .pyc that is used whatever the time or content of its source (PEP 552)."""


@pytest.fixture(scope="module")
def built(build: tuple[Path, str]) -> Path:
    return build[0]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The build folder, and what SAM said while it made it."""
    folder = tmp_path_factory.mktemp("sam") / "build"
    command = [str(environment("sam") / "sam"), "build", "--build-dir", str(folder)]
    with alone("sam-build"):
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "SAM_CLI_TELEMETRY": "0"}, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_holds_every_file_that_its_handler_loads(built: Path, function: str):
    code = LOADED.format(module=FUNCTIONS[function])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=SETTINGS, capture_output=True, text=True, check=True
    )
    packages = Path(importlib.util.find_spec("cryptography").origin).parents[1]  # type: ignore[union-attr,arg-type]
    missing = []
    for file in map(Path, json.loads(done.stdout)):
        for root in (packages, ROOT):
            if file.is_relative_to(root):
                relative = file.relative_to(root)
                # Compiled modules carry their platform in their names.
                stem = relative.with_name(relative.name.partition(".")[0] + ".*") if file.suffix == ".so" else relative
                if relative.parts[0] not in NOT_NEEDED and not list((built / function).glob(str(stem))):
                    missing.append(str(relative))
                break
    assert missing == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_holds_no_tests_programs_or_code_of_the_local_run(built: Path, function: str):
    names = {path.relative_to(built / function) for path in (built / function).rglob("*")}
    assert not [name for name in names if {"tests", "test", "conftest.py", ".venv", "bin"} & set(name.parts)]
    assert not [name for name in names if name.parts[:2] in (("gateway_core", "local"), ("gateway_core", "cli"))]
    assert not [name for name in names if name.suffix in (".pyi", ".c", ".h")]


def test_the_data_plane_holds_none_of_the_libraries_of_the_control_plane(built: Path):
    folders = {path.name for path in (built / "McpFunction").iterdir() if not path.name.endswith(".dist-info")}
    assert {name.partition(".")[0] for name in folders} == {
        "_cffi_backend",
        "cffi",
        "cryptography",
        "gateway_core",
        "handlers",
        "httptools",
        "pycparser",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_compiled_code_is_for_arm64(built: Path, function: str):
    libraries = list((built / function).rglob("*.so"))
    assert {path.name.partition(".")[0] for path in libraries} >= {"_cffi_backend", "_rust", "parser"}
    for path in libraries:
        elf = path.read_bytes()[:20]
        assert elf[:4] == b"\x7fELF"
        assert int.from_bytes(elf[18:20], "little") == 183, f"{path} is not for aarch64 (EM_AARCH64)"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bytecode_survives_zipping_or_the_build_says_that_there_is_none(build: tuple[Path, str], function: str):
    folder = build[0] / function
    flags = {path: int.from_bytes(path.read_bytes()[4:8], "little") for path in folder.rglob("*.pyc")}
    if "No Python 3.13 here" in build[1]:
        assert flags == {}
        return
    assert set(flags.values()) == {UNCHECKED_HASH}
    wanted = {
        path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc" for path in folder.rglob("*.py") if _compiles(path)
    }
    assert flags.keys() == wanted
    [ours] = (path for path in flags if path.name == "http_events.cpython-313.pyc")
    assert b"/var/task/handlers/http_events.py" in ours.read_bytes(), "tracebacks should name the place it runs at"


def _compiles(path: Path) -> bool:
    try:
        ast.parse(path.read_bytes())
    except SyntaxError:
        return False
    return True


async def test_the_built_loop_runs_in_the_emulator(built: Path, tmp_path: Path):
    """On this machine's processor only the part without compiled code can run: the loop and an app of our own."""
    function = tmp_path / "function"
    (function / "handlers").parent.mkdir()
    (function / "handlers").symlink_to(built / "McpFunction" / "handlers")
    (function / "apps.py").symlink_to(ROOT / "tests" / "lambda_" / "apps.py")
    async with emulator("apps.echo", task_root=function) as running:
        answer = await running.invoke(rest("POST", "/research/weather/mcp"))
    assert answer["statusCode"] == 200


def test_what_pages_are_made_of_is_in_the_function_that_shows_them(built: Path):
    pages = Path("gateway_core") / "web" / "oauth"
    wanted = {path.relative_to(ROOT) for path in (ROOT / pages).rglob("*") if path.suffix in (".html", ".css", ".svg")}
    assert wanted
    assert not [path for path in wanted if not (built / "OAuthFunction" / path).is_file()]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_fits_into_a_zip_that_lambda_takes(built: Path, function: str):
    size = sum(path.stat().st_size for path in (built / function).rglob("*") if path.is_file())
    assert size < 250 * 2**20, "Lambda takes 250 MB unzipped (Lambda quotas)"


def test_the_bootstrap_can_be_executed(built: Path):
    assert os.access(built / "McpFunction" / "handlers" / "bootstrap", os.X_OK)
