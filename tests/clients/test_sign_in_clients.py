"""Official SDK clients that are given the URL alone: they find out how to sign in, and do it in their user's browser.

One client alone: `pytest tests/clients/test_sign_in_clients.py -n0 -k typescript1`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.clients.cells import complaint
from tests.clients.clients import FAST, Client, Found
from tests.clients.signing_in import Home, House, house
from tests.clients.steps import NEWEST, SAME

pytestmark = pytest.mark.tools

STEPS = [step for step in SAME if step.name in ("list tools", "call")]

DENIED = "The person at the browser did not allow it."
UNKNOWN = "This code or refresh token is not known, has expired, or was used or revoked. Sign in again."

STARTS_OVER = ("python1", "python2")
"""Programs whose SDK knows when a token lapses only as long as it runs; started anew, it goes back to the browser."""

CLIENTS = [client for client in FAST if client.mode in ("auto", "http", "sse") or client.name == "typescript2-default"]
"""One mode of each way in: signing in does not depend on the revision that a client is pinned to."""


def each(clients: list[Client]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", clients, ids=lambda client: client.name)


every_client = each(CLIENTS)
# What follows a sign-in is the same at either door.
every_sdk = each([client for client in CLIENTS if client.door == "mcp"])


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("sign-in")) as running:
        yield running


@pytest.fixture
def home(gate: House, tmp_path: Path) -> Iterator[Home]:
    gate.front.reset()
    with gate.home(tmp_path) as made:
        yield made


def visit(client: Client, gate: House, home: Home) -> Found:
    """What the client finds, started with the address and what it remembers."""
    url = gate.endpoint(client.door)
    return client.visit(url, "", STEPS, sign_in={"folder": str(home.folder / "kept")}, environment=home.opens)


def check(client: Client, found: Found) -> None:
    """It is in, and gets what it asks for."""
    assert found.get("connect") == {"protocol": NEWEST[client.speaks[0]]}, found
    assert [line for step in STEPS if (line := complaint(step, found[step.name]))] == []


@pytest.mark.parametrize("remapped", [False, True], ids=["by-the-challenge", "by-the-metadata-alone"])
@every_client
def test_an_sdk_client_with_the_url_alone_signs_in_and_calls_a_tool(gate, home, client, remapped):
    gate.front.remapped = remapped
    challenged = "www-authenticate" in httpx2.get(gate.endpoint(client.door)).headers
    assert challenged is not remapped

    check(client, visit(client, gate, home))

    (seen,) = home.browser.settle()
    assert seen.asked["resource"] == gate.endpoint(client.door)
    assert seen.asked["scope"] == "mcp"
    sign_in, consent = seen.seen
    assert "Sign in" in sign_in
    assert "unverified" in consent
    assert "Tools in Test" in consent
    metadata = f"/.well-known/oauth-protected-resource/test/tools/{client.door}"
    assert gate.front.paths("/.well-known/") == [metadata, "/.well-known/oauth-authorization-server"]


@every_sdk
def test_an_sdk_client_whose_access_token_has_lapsed_gets_another_without_its_user(gate, home, client):
    gate.front.shortened = client.program in STARTS_OVER
    check(client, visit(client, gate, home))
    if not gate.front.shortened:
        gate.front.let_lapse()
        check(client, visit(client, gate, home))

    (refreshed,) = gate.front.refreshes()
    assert refreshed.status == 200
    assert len(home.browser.settle()) == 1


@each([client for client in CLIENTS if client.program in STARTS_OVER and client.door == "mcp"])
def test_a_python_client_that_was_away_for_too_long_signs_in_anew_under_its_old_name(gate, home, client):
    check(client, visit(client, gate, home))
    gate.front.let_lapse()
    check(client, visit(client, gate, home))

    first, second = home.browser.settle()
    assert first.asked["client_id"] == second.asked["client_id"]
    assert first.asked["redirect_uri"] != second.asked["redirect_uri"]


@every_sdk
def test_a_client_that_was_put_out_is_refused_in_words_that_its_user_reads(gate, home, client):
    check(client, visit(client, gate, home))
    token = json.loads((home.folder / "kept" / "tokens.json").read_text())["access_token"]
    gate.end_every_grant()
    home.browser.decision = "deny"

    found = visit(client, gate, home)

    assert (DENIED if client.program in STARTS_OVER else UNKNOWN) in json.dumps(found), found
    answer = httpx2.get(gate.endpoint(client.door), headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert "This access token has expired or was revoked. Sign in again" in answer.text


@pytest.mark.parametrize(
    ("workspaces", "server", "error", "words"),
    [
        (
            ["test"],
            "nowhere",
            "access_denied",
            "You are signed in as {email}, which has no access to nowhere in Test. Ask",
        ),
        ([], "tools", "access_denied", "There is nothing at {url} that {email} can use."),
        ([], "nowhere", "access_denied", "There is nothing at {url} that {email} can use."),
    ],
    ids=["a-member-of-the-workspace", "somebody-else", "somebody-else-at-no-server"],
)
def test_a_client_whose_user_has_no_access_shows_who_that_is_and_tells_only_members_more(
    gate, tmp_path, workspaces, server, error, words
):
    (client,) = [client for client in CLIENTS if client.name == "typescript1"]
    url = gate.endpoint().replace("/tools/", f"/{server}/")
    gate.front.reset()
    with gate.home(tmp_path, workspaces=workspaces) as home:
        found = client.visit(url, "", sign_in={"folder": str(tmp_path / "kept")}, environment=home.opens)

    told = json.dumps(found)
    assert error in told
    assert words.format(email=home.browser.email, url=url) in told, told
