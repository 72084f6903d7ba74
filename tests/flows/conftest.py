"""A running gateway with its user's desk, shared by the tests of one module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.desks import Desk


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    machine = Desk(tmp_path_factory.mktemp("machine"))
    with machine.running():
        machine.told("members", "invite", "first@example.com", "--role", "owner")
        yield machine


@pytest.fixture
def desk(running: Desk, tmp_path: Path) -> Desk:
    """The running gateway, from a home without any login."""
    running.config = tmp_path / "config"
    return running
