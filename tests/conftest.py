"""What every test has: a canary that reads whatever the gateway wrote or said meanwhile (see `tests.canary`)."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.canary import taps
from tests.canary.files import FOLDERS
from tests.canary.watch import WATCH

JOURNALS = "CANARY_JOURNALS"
"""Names the folder in which processes that stand for AWS say what was written to their tables."""


def pytest_configure() -> None:
    """Listen from the beginning."""
    taps.put_up()


def pytest_sessionstart() -> None:
    """Have every folder read that is made for a test, by whichever fixture."""
    factory: Any = pytest.TempPathFactory
    make = factory.mktemp

    def mktemp(self: pytest.TempPathFactory, *args: Any, **named: Any) -> Path:
        made: Path = make(self, *args, **named)
        FOLDERS.add(made)
        return made

    factory.mktemp = mktemp


@pytest.fixture(scope="session", autouse=True)
def _journals(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ[JOURNALS] = str(tmp_path_factory.mktemp("journals"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test that leaked a secret: after its teardown, when all is said and everything written."""
    report = yield
    if call.when != "teardown":
        return report
    taps.listen()
    WATCH.hear("output", "standard output", report.capstdout)
    WATCH.hear("output", "standard error", report.capstderr)
    FOLDERS.read()
    own = item.funcargs.get("tmp_path")
    if isinstance(own, Path):
        FOLDERS.forget(own)
    leaks = WATCH.leaks()
    if leaks and report.passed:
        report.outcome = "failed"
        report.longrepr = "Secrets were found where none may be (tests/canary):\n" + "\n".join(map(str, leaks))
    return report
