"""The first minute on a strange machine: which Python is taken, and what is said where none is usable."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


class Machine:
    """A machine whose PATH holds a shell and what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        for tool in ("sh", "cat", "cksum", "cut", "which", "dirname", "rm", "mkdir", "pwd", "mv"):
            found = next(path for path in (Path("/usr/bin") / tool, Path("/bin") / tool) if path.exists())
            (self.folder / tool).symlink_to(found)

    def add(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": str(self.folder), "HOME": str(self.home), "PYENV_ROOT": "/nonexistent"}
        environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        return subprocess.run(
            [ROOT / "infra" / "bootstrap.sh", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_shim_that_does_not_run_is_passed_over_and_no_uv_is_needed_beforehand(machine):
    machine.add("python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    machine.add("python3.12", "exit 1")
    machine.add("python3", f'exec {sys.executable} "$@"')
    done = machine.run("--uv")
    assert done.returncode == 0, done.stderr
    uv = Path(done.stdout.strip())
    assert uv.is_relative_to(machine.home / ".cache" / "gatehouse")
    assert subprocess.run([uv, "--version"], capture_output=True, text=True).stdout.startswith("uv ")


def test_a_python_without_venv_gets_an_error_that_names_the_package(machine):
    machine.add("python3.13", f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    done = machine.run("--uv")
    assert done.returncode == 1
    package = f"python3.{sys.version_info.minor}-venv"
    assert f"On Debian and Ubuntu install the package {package} (apt install {package})" in done.stderr


def test_a_machine_without_a_new_enough_python_is_told_what_to_install(machine):
    machine.add("python3", "exit 1")
    done = machine.run("--uv")
    assert done.returncode == 1
    assert "Gatehouse needs Python 3.11 or newer, and none on PATH runs. Install one" in done.stderr
