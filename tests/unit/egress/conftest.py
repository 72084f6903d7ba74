"""An egress of the local run, closed after each test."""

from collections.abc import AsyncIterator

import pytest

from gateway_core.egress import Egress
from tests.unit.egress.asking import LOCAL


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    one = Egress(LOCAL)
    yield one
    await one.close()
