"""The official MCP conformance suite, with the gateway as the server."""

import pytest

from tests.conformance.suite import REVISIONS, compare

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_required_check_passes_through_the_gateway_exactly_as_it_does_directly(revision, tmp_path):
    found = await compare(revision, tmp_path)
    assert not found.complaints(), "\n".join([found.summary(), *found.complaints()])
