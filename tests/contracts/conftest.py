"""What the contract suites share: a clock that tests move, an AWS on 127.0.0.1, and every port on both sides."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway_core.ports import Table
from gateway_core.storage.sqlite import SqliteTable
from tests.contracts.aws import dynamo_table


class MovedClock:
    """A ports.Clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.contracts.aws_process"]
    with subprocess.Popen(
        command,
        text=True,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        # Its input ends here, and with it the process.
        process.communicate()


@pytest.fixture(params=["sqlite", "dynamo"])
async def table(request: pytest.FixtureRequest, clock: MovedClock, tmp_path: Path) -> AsyncIterator[Table]:
    if request.param == "dynamo":
        yield await dynamo_table(request.getfixturevalue("aws_url"), clock)
        return
    table = SqliteTable(tmp_path / "gatehouse.db", clock)
    yield table
    table.close()
