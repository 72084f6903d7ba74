"""The official MCP conformance suite, with the gateway as the server and as the client."""

import pytest

from tests.conformance.authorization import AUTHORIZATION_CELLS
from tests.conformance.cells import CELLS
from tests.conformance.client.cells import CLIENT_CELLS
from tests.conformance.suite import judge

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("cell", CELLS, ids=str)
async def test_every_required_check_passes_through_the_gateway_whatever_era_the_server_speaks(cell, tmp_path):
    found = await judge(cell, tmp_path)
    assert not found.complaints(), found.report()


@pytest.mark.parametrize("cell", AUTHORIZATION_CELLS, ids=str)
async def test_every_check_of_the_authorization_server_passes_however_the_client_is_known(cell, tmp_path):
    found = await judge(cell, tmp_path)
    assert not found.complaints(), found.report()


@pytest.mark.parametrize("cell", CLIENT_CELLS, ids=str)
async def test_the_gateway_is_the_client_that_servers_and_their_authorization_servers_want(cell, tmp_path):
    found = await judge(cell, tmp_path)
    assert not found.complaints(), found.report()
