"""What is too heavy for `make test`, run by `make clients`: whole client programs, and every client without a gateway.

Without a gateway, a client must find the same: if it does not, the client program or the upstream is wrong.
One cell alone: `pytest tests/clients/heavy.py -n0 -k "itself and python1-to-legacy"`.
"""

import pytest

from tests.clients.cells import Place, direct, era_without_gateway, through, visit
from tests.clients.clients import FAST, HEAVY, Client
from tests.clients.steps import Kind

pytestmark = pytest.mark.tools


@through(HEAVY)
def test_a_client_program_finds_everything_of_any_upstream_through_the_gateway(
    place: Place, client: Client, kind: Kind
):
    visit(client, place.endpoint(kind, client.door), place.key, kind=kind, era=client.speaks[0])


@direct([*FAST, *HEAVY])
def test_a_client_finds_everything_in_the_upstream_itself(place: Place, client: Client, kind: Kind):
    visit(client, place.upstream(kind), "", kind=kind, era=era_without_gateway(client, kind))
