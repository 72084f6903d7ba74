"""Official SDK clients whose person has to connect an account: at connect, and in the middle of a session.

One client alone: `pytest tests/clients/test_connecting_clients.py -n0 -k typescript1`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.clients.accounts import Somebody, Stage, stage
from tests.clients.clients import FAST, Client
from tests.clients.connecting import connects_at_the_first_link, ends_with_the_link, goes_on_in_the_same_session
from tests.clients.steps import SAME

pytestmark = pytest.mark.tools

PINNED = [client for client in FAST if client.name in ("python2-modern", "typescript2-modern")]
TELLING = [client for client in FAST if client.name != "typescript2-modern"]
"""Those that show an error at connect; the other one takes any for a server of before."""


def each(clients: Sequence[Client]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", clients, ids=lambda client: client.name)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("accounts")) as running:
        yield running


@pytest.fixture
def ana(at: Stage, tmp_path: Path) -> Iterator[Somebody]:
    with at.somebody(tmp_path) as somebody:
        yield somebody


@each(TELLING)
def test_an_sdk_client_without_an_account_shows_its_user_the_link_that_leads_to_one(ana: Somebody, client: Client):
    connects_at_the_first_link(client, ana)


@each([client for client in FAST if client not in TELLING])
def test_a_client_that_takes_any_error_for_a_server_of_before_shows_that_and_no_link(ana: Somebody, client: Client):
    found = client.visit(ana.endpoint(), ana.key, SAME[:2])

    assert client.denial in found["end"]["crash"], found


@each(FAST)
def test_an_sdk_client_whose_permission_has_ended_hears_the_link_and_its_session_goes_on(ana: Somebody, client: Client):
    goes_on_in_the_same_session(client, ana)


@each(PINNED)
def test_a_modern_sdk_client_whose_person_declines_ends_with_the_link_in_words(ana: Somebody, client: Client):
    ends_with_the_link(client, ana, "decline")


@each(PINNED)
def test_a_modern_sdk_client_that_opens_no_pages_raises_the_link(ana: Somebody, client: Client):
    ends_with_the_link(client, ana, "none")
