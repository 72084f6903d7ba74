"""Where tokens come from: entered or found out once, how a client proves itself there, and what no longer fits."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway_core.errors import UpstreamRefused
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import ClientCredentials, OAuth, TokenExchange
from gateway_core.upstream.auth import places
from gateway_core.upstream.auth.places import FAILED_S, FOUND_S, Entered, TokenPlaces, auth_method
from gateway_core.upstream.auth.sources import moved
from tests.flows.token_servers import CLIENT, TokenServer, connection
from tests.unit.upstream.processes import HOLDER, NOW, SERVER

AUTH = ClientCredentials("c", client_secret="s")
FOUND = Entered("https://login.example", "https://login.example/token", SERVER.url, ("a",))


class Finding:
    """See places.Find. Counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.problem: UpstreamRefused | None = None

    async def __call__(self, server: Server) -> Entered:
        self.asked.append(server.url)
        await asyncio.sleep(0)
        if self.problem is not None:
            raise self.problem
        return FOUND


async def test_what_was_entered_is_asked_of_nobody():
    find = Finding()
    entered = AUTH._replace(token_endpoint="https://as.example/t", scopes=("x",))
    place = await TokenPlaces(find, lambda: NOW).of(SERVER, entered)
    assert (place.token_endpoint, place.issuer, place.resource, place.scopes) == (
        "https://as.example/t", "https://as.example/t", SERVER.url, ("x",),
    )  # fmt: skip
    named = entered._replace(issuer="https://as.example")
    assert (await TokenPlaces(find, lambda: NOW).of(SERVER, named)).issuer == "https://as.example"
    assert find.asked == []


async def test_what_is_left_out_is_found_out_once_for_all_who_ask_and_believed_for_an_hour():
    find, now = Finding(), [NOW]
    known = TokenPlaces(find, lambda: now[0])
    found = await asyncio.gather(*(known.of(SERVER, AUTH) for _ in range(10)))
    assert found == [FOUND] * 10
    now[0] += FOUND_S - 1
    await known.of(SERVER, AUTH)
    assert len(find.asked) == 1
    now[0] += 1
    await known.of(SERVER, AUTH)
    assert len(find.asked) == 2
    # What was found for other settings is nothing to these.
    await known.of(replace(SERVER, url="https://other.example/mcp"), AUTH)
    await known.of(SERVER, AUTH._replace(issuer="https://other.example"))
    assert len(find.asked) == 4


async def test_a_search_that_failed_is_told_with_its_words_and_not_begun_anew_at_once():
    find, now = Finding(), [NOW]
    find.problem = UpstreamRefused("There is no metadata at https://mcp.linear.example/.well-known/…")
    known = TokenPlaces(find, lambda: now[0])
    for _ in range(3):
        with pytest.raises(UpstreamRefused, match="There is no metadata at"):
            await known.of(SERVER, AUTH)
    assert len(find.asked) == 1
    now[0] += FAILED_S
    find.problem = None
    assert await known.of(SERVER, AUTH) == FOUND


async def test_no_more_is_remembered_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(places, "MAX_HELD", 3)
    known = TokenPlaces(Finding(), lambda: NOW)
    for number in range(10):
        await known.of(replace(SERVER, id=f"s-{number}"), AUTH)
        assert len(known._held) <= 3


@pytest.mark.parametrize(
    ("auth", "offered", "method"),
    [
        (AUTH, (), "client_secret_basic"),
        (AUTH, ("client_secret_basic", "client_secret_post"), "client_secret_basic"),
        (AUTH, ("client_secret_post", "private_key_jwt"), "client_secret_post"),
        (AUTH, ("private_key_jwt",), None),
        (OAuth(client_id="c", client_secret="s"), ("none", "client_secret_post"), "client_secret_post"),
        (AUTH._replace(token_endpoint_auth_method="client_secret_post"), ("client_secret_basic",),
         "client_secret_post"),
        (ClientCredentials("c", private_key="k"), ("client_secret_post",), "private_key_jwt"),
        (TokenExchange("bearer"), ("client_secret_post",), "none"),
        (TokenExchange("bearer", client_id="c", client_secret="s"), (), "client_secret_basic"),
    ],
)  # fmt: skip
def test_a_client_proves_itself_as_it_was_entered_else_as_the_server_takes_it(
    auth: Any, offered: Any, method: str | None
):
    assert auth_method(auth, offered) == method


URL = "https://mcp.linear.example/mcp"
MADE = connection(SERVER, TokenServer(url="https://login.example/token"), HOLDER, now=NOW)


@pytest.mark.parametrize(
    ("url", "auth", "what"),
    [
        (URL, OAuth(), None),
        ("https://MCP.linear.example:443/other?x=1", OAuth(), None),
        ("https://mcp.linear.example:8443/mcp", OAuth(), "address"),
        ("http://mcp.linear.example/mcp", OAuth(), "address"),
        ("https://mcp.linear.example.evil.example/mcp", OAuth(), "address"),
        ("https://linear.example/mcp", OAuth(), "address"),
        (URL, OAuth(issuer="https://login.linear.example"), None),
        (URL, OAuth(issuer="https://login.linear.example/"), "issuer"),
        (URL, OAuth(client_id=CLIENT), None),
        (URL, OAuth(client_id="other"), "client id"),
        (URL, OAuth(token_endpoint="https://login.example/token"), None),
        (URL, OAuth(token_endpoint="https://evil.example/token"), "token endpoint"),
    ],
)
def test_credentials_are_for_what_they_were_made_for(url, auth, what):
    assert moved(MADE, url, auth) == what
