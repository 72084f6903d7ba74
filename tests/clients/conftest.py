"""What the tests with real clients share."""

from contextlib import ExitStack

import pytest

from tests.clients.cells import Place


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A gateway with every kind of upstream behind it."""
    with ExitStack() as running:
        yield Place(tmp_path_factory.mktemp("clients"), running)
