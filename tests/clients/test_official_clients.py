"""Official SDK clients through the gateway: each program is what a user of that SDK would write.

One cell alone: `pytest tests/clients -n0 -k python1-to-modern`; the same without a gateway is in `heavy.py`.
"""

import json

import pytest

from tests.clients.cells import Place, through, visit
from tests.clients.clients import FAST, Client
from tests.clients.steps import SAME, Kind

pytestmark = pytest.mark.tools

every_client = pytest.mark.parametrize("client", FAST, ids=lambda client: client.name)


@through(FAST)
def test_an_sdk_client_finds_everything_of_any_upstream_through_the_gateway(place: Place, client: Client, kind: Kind):
    visit(client, place.endpoint(kind, client.door), place.key, kind=kind, era=client.speaks[0])


@pytest.fixture(scope="module")
def key_for_others(place: Place) -> str:
    """A key that does not reach the dual upstream."""
    place.gateway.serve("other", "https://mcp.example.com/mcp")
    names = ["--workspace", "test", "--user", "a@b.c", "--server", "other", "--quiet"]
    return place.gateway.gatehouse("keys", "create", *names)


@pytest.fixture(scope="module")
def revoked_key(place: Place) -> str:
    """A key that was good once."""
    key = place.gateway.key("leaver")
    place.gateway.gatehouse("keys", "revoke", key)
    return key


@every_client
def test_a_key_for_other_servers_is_refused_in_the_words_that_the_client_shows_its_user(
    place: Place, client: Client, key_for_others: str
):
    found = client.visit(place.endpoint("dual", client.door), key_for_others, SAME[:2])

    assert client.denial in json.dumps(found), found


@every_client
def test_a_revoked_key_is_refused_in_the_words_that_the_client_shows_its_user(
    place: Place, client: Client, revoked_key: str
):
    found = client.visit(place.endpoint("dual", client.door), revoked_key, SAME[:2])

    assert client.refusal in json.dumps(found), found
