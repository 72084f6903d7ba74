"""Who the gateway is at authorization servers: entered, known by its document, or registered; never mixed up."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_core.connect.client_metadata import SOFTWARE_ID
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import ClientCredentials, OAuth, TokenExchange
from gateway_core.storage import keys
from gateway_core.vault import FRESH_S
from tests.canary.marks import MARK, marked
from tests.flows.own_clients import NOW, PUBLIC, Gateway, everything_in, found_at, gateway, registers
from tests.flows.sites import Said, Site, site


@pytest.fixture
def clock() -> list[int]:
    return [NOW]


@pytest.fixture
async def gw(tmp_path: Path, clock: list[int]) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, clock) as made:
        yield made


@pytest.fixture
async def auth() -> AsyncIterator[Site]:
    """An authorization server that registers whoever asks: c1, c2, …"""
    async with site() as made:
        registers(made)
        yield made


async def test_the_gateway_registers_itself_once_and_says_who_it_is(gw: Gateway, auth: Site):
    first = await gw.at(found_at(auth))
    assert (first.way, first.client_id, first.auth_method) == ("dynamic", "c1", "client_secret_basic")
    assert first.secret == marked("c1")
    assert json.loads(auth.bodies[0]) == {
        "client_name": "Gatehouse (Acme GmbH)",
        "client_uri": PUBLIC,
        "application_type": "web",
        "redirect_uris": [f"{PUBLIC}/oauth/upstream-callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "software_id": SOFTWARE_ID,
        "token_endpoint_auth_method": "client_secret_basic",
    }
    again = await gw.at(found_at(auth))
    assert replace(again, steps=()) == replace(first, steps=())
    assert auth.asked == ["POST /register"]


async def test_a_secret_that_was_given_shows_nowhere(gw: Gateway, auth: Site, tmp_path: Path, caplog):
    caplog.set_level("DEBUG")
    registers(auth, registration_access_token=marked("rat"))
    made = await gw.at(found_at(auth))
    assert made.secret == marked("c1")
    shown = made.steps[0].exchange
    assert shown is not None
    assert '"client_secret": "(removed)"' in shown.body
    stored = everything_in(tmp_path)
    for told in (repr(made), repr(made.steps), caplog.text, stored.decode("latin-1")):
        assert MARK not in told


async def test_a_gateway_on_this_machine_registers_as_a_native_application(
    tmp_path: Path, clock: list[int], auth: Site
):
    async with gateway(tmp_path, clock, "http://127.0.0.1:8787", "") as gw:
        await gw.at(found_at(auth, documents_supported=True))
    sent = json.loads(auth.bodies[0])
    assert sent["application_type"] == "native"
    assert sent["redirect_uris"] == ["http://127.0.0.1:8787/oauth/upstream-callback"]
    assert "client_uri" not in sent


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        (("client_secret_basic",), "client_secret_basic"),
        (("client_secret_post",), "client_secret_post"),
        (("none",), "none"),
        (("private_key_jwt", "none", "client_secret_post"), "client_secret_post"),
    ],
)
async def test_it_registers_in_the_way_that_the_token_endpoint_offers(gw: Gateway, auth: Site, offered, asked):
    made = await gw.at(found_at(auth, auth_methods=offered))
    assert json.loads(auth.bodies[0])["token_endpoint_auth_method"] == made.auth_method == asked
    assert (made.secret is None) == (asked == "none")


async def test_a_token_endpoint_that_takes_keys_alone_is_for_an_administrator(gw: Gateway, auth: Site):
    told = await gw.refused(found_at(auth, auth_methods=("private_key_jwt", "tls_client_auth")))
    assert "it wants clients to prove themselves by private_key_jwt, tls_client_auth." in told
    assert auth.asked == []


async def test_each_server_and_each_authorization_server_has_a_client_of_its_own(gw: Gateway, auth: Site):
    await gw.at(found_at(auth))
    async with site() as other:
        registers(other)
        # The server has moved: what the first one gave is not shown to the other, and both are kept.
        assert (await gw.at(found_at(other))).secret == marked("c1")
        assert MARK.encode() not in b"".join(other.bodies)
        assert (await gw.at(found_at(auth), server_id="s2")).client_id == "c2"
        assert (await gw.at(found_at(auth))).client_id == "c1"
        assert (await gw.at(found_at(auth, issuer=f"{auth.url}/"))).client_id == "c3"
        assert (len(auth.asked), len(other.asked)) == (3, 1)


async def test_two_processes_that_register_at_the_same_moment_end_with_one_client(
    tmp_path: Path, clock: list[int], auth: Site
):
    both, register = asyncio.Barrier(2), auth.pages["POST /register"]
    assert callable(register)

    async def together(body: bytes) -> Said:
        said = await register(body)
        await both.wait()
        return said

    auth.pages["POST /register"] = together
    async with gateway(tmp_path, clock) as one, gateway(tmp_path, clock) as two:
        made = await asyncio.gather(one.at(found_at(auth)), two.at(found_at(auth)))
        assert len({(it.client_id, it.secret) for it in made}) == 1
        assert len(auth.asked) == 2
        assert (await one.at(found_at(auth))).client_id == (await two.at(found_at(auth))).client_id == made[0].client_id


async def test_a_client_whose_secret_ends_is_renewed_before_and_used_as_long_as_it_is_good(
    gw: Gateway, auth: Site, clock: list[int]
):
    registers(auth, client_secret_expires_at=NOW + 1_000)
    assert (await gw.at(found_at(auth))).client_id == "c1"
    clock[0] = NOW + 799
    assert (await gw.at(found_at(auth))).client_id == "c1"
    clock[0] = NOW + 800
    auth.publish("POST /register", status=503)
    assert (await gw.at(found_at(auth))).client_id == "c1"
    clock[0] = NOW + 1_000
    assert "answers HTTP 503" in await gw.refused(found_at(auth))
    registers(auth, client_secret_expires_at=0)
    renewed = await gw.at(found_at(auth))
    clock[0] = NOW + 100_000_000
    assert (await gw.at(found_at(auth))).secret == renewed.secret


async def test_a_client_that_was_renewed_takes_the_place_of_the_old_one(gw: Gateway, auth: Site, clock: list[int]):
    registers(auth, client_secret_expires_at=NOW + 1_000)
    await gw.at(found_at(auth))
    registers(auth, client_id="renewed")
    clock[0] = NOW + 900
    assert (await gw.at(found_at(auth))).client_id == "renewed"
    assert (await gw.at(found_at(auth))).client_id == "renewed"
    assert len(auth.asked) == 2


async def test_a_gateway_that_has_moved_or_lost_its_keys_registers_anew(tmp_path: Path, clock: list[int], auth: Site):
    async with gateway(tmp_path, clock) as gw:
        assert (await gw.at(found_at(auth))).client_id == "c1"
    async with gateway(tmp_path, clock, "https://moved.example") as gw:
        assert (await gw.at(found_at(auth))).client_id == "c2"
        await gw.table.delete(keys.data_key("org"))
        clock[0] += FRESH_S
        assert (await gw.at(found_at(auth))).client_id == "c3"
        assert (await gw.at(found_at(auth))).client_id == "c3"


async def test_a_client_that_the_server_has_forgotten_is_forgotten_here_unless_there_is_a_newer_one(
    gw: Gateway, auth: Site
):
    server = Server("s1", "linear", "Linear", "https://mcp.example.com/mcp", "auto", OAuth(), "all")
    await gw.at(found_at(auth))
    await gw.registrations.forget(server, auth.url, "c0")
    assert (await gw.at(found_at(auth))).client_id == "c1"
    await gw.registrations.forget(server, auth.url, "c1")
    await gw.registrations.forget(server, auth.url, "c1")
    assert (await gw.at(found_at(auth))).client_id == "c2"


async def test_our_metadata_document_comes_before_registering_where_it_is_taken(
    tmp_path: Path, clock: list[int], auth: Site
):
    elsewhere = "https://conformance-test.local/client-metadata.json"
    for configured, url in (("", f"{PUBLIC}/oauth/client-metadata.json"), (elsewhere, elsewhere)):
        async with gateway(tmp_path, clock, document=configured) as gw:
            known = await gw.at(found_at(auth, documents_supported=True, auth_methods=("client_secret_basic",)))
            assert (known.way, known.client_id, known.auth_method) == ("metadata_document", url, "none")
            assert (await gw.at(found_at(auth))).way == "dynamic"
    async with gateway(tmp_path, clock, document="none") as gw:
        assert (await gw.at(found_at(auth, documents_supported=True))).way == "dynamic"


async def test_a_client_that_was_entered_comes_before_everything(tmp_path: Path, clock: list[int], auth: Site):
    async with gateway(tmp_path, clock, document="") as gw:
        everything = found_at(auth, documents_supported=True)
        for entered, method in (
            (OAuth(client_id="app"), "none"),
            (OAuth(client_id="app", client_secret="upstream-x"), "client_secret_basic"),
            (OAuth(client_id="app", client_secret="x", token_endpoint_auth_method="client_secret_post"),
             "client_secret_post"),
            (ClientCredentials("app", private_key="upstream-key"), "private_key_jwt"),
            (TokenExchange("identity", client_id="app", client_secret="x"), "client_secret_basic"),
        ):  # fmt: skip
            known = await gw.at(everything, entered)
            assert (known.way, known.client_id, known.auth_method, known.secret) == ("entered", "app", method, None)
        post = found_at(auth, auth_methods=("client_secret_post", "none"))
        assert (await gw.at(post, OAuth(client_id="app", client_secret="x"))).auth_method == "client_secret_post"
        told = await gw.refused(found_at(auth, auth_methods=("none",)), OAuth(client_id="app", client_secret="x"))
        assert "say how with `token_endpoint_auth_method`" in told
        assert auth.asked == []


async def test_a_client_that_was_entered_is_never_taken_to_another_authorization_server(gw: Gateway, auth: Site):
    entered = OAuth(client_id="app", client_secret="x")
    await gw.at(found_at(auth), entered)
    async with site() as other:
        moved = found_at(other)
        told = await gw.refused(moved, entered)
        assert told == (
            f"The client app was used at {auth.url} so far, and Linear now names {other.url}, which was told nothing. "
            f"If Linear has moved, enter `issuer: {other.url}` and a client of it."
        )
        assert other.asked == []
        assert (await gw.at(found_at(auth), entered)).client_id == "app"
        # An administrator says so: with the issuer, or with a new client.
        assert (await gw.at(moved, entered._replace(issuer=other.url))).client_id == "app"
        assert (await gw.at(moved, OAuth(client_id="app-2"))).client_id == "app-2"


async def test_two_processes_hold_an_entered_client_to_one_authorization_server(
    tmp_path: Path, clock: list[int], auth: Site
):
    async with gateway(tmp_path, clock) as one, gateway(tmp_path, clock) as two, site() as other:
        entered = OAuth(client_id="app")
        made = await asyncio.gather(
            one.at(found_at(auth), entered), two.at(found_at(other), entered), return_exceptions=True
        )
        assert sorted(type(it).__name__ for it in made) == ["DiscoveryFailed", "Registration"]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, {"error": "invalid_redirect_uri", "error_description": "https only."},
         "it does not take the gateway's redirect URI (https only)"),
        (400, {"error": "invalid_client_metadata"}, "it does not take what the gateway says about itself"),
        (400, {"error": "unapproved_software_statement"}, "it takes software that it has approved alone"),
        (400, {"error": "too_many_clients"}, "it answers HTTP 400, too_many_clients"),
        (401, b"", "it registers nobody who has no token of its own (HTTP 401)"),
        (403, {"error": "access_denied"}, "it registers nobody who has no token of its own (HTTP 403)"),
        (429, b"", "it was asked too often; try again later"),
        (500, b"<html>", "it answers HTTP 500"),
        (302, b"", "it answers HTTP 302"),
        (201, b"[]", "it answers with something that is JSON, but no object"),
        (201, {"client_id": "c1", "redirect_uris": ["https://evil.example/"]},
         "it has registered another redirect URI than the gateway's"),
        (201, b" " * 70_000, "it gave no answer that can be used (The server's answer is larger than 65536 bytes)"),
    ],
)  # fmt: skip
async def test_a_registration_that_is_refused_says_why_and_what_to_enter_instead(
    gw: Gateway, auth: Site, status, body, told
):
    auth.publish("POST /register", body, status)
    assert await gw.refused(found_at(auth)) == (
        f"{auth.url} does not register the gateway: {told}. Register a client there by hand, with the redirect URI "
        f"{PUBLIC}/oauth/upstream-callback, and enter its `client_id`, and `client_secret` if it has one, in the "
        "server's auth."
    )


async def test_where_no_client_can_register_itself_an_administrator_is_told_what_to_enter(gw: Gateway, auth: Site):
    nothing = found_at(auth, registration_endpoint=None, documents_supported=True)
    told = await gw.refused(nothing)
    assert told.startswith(
        f"{auth.url} takes no client that was not registered by hand. Register a client there by hand"
    )
    assert "takes no client" in await gw.refused(found_at(auth), TokenExchange("identity"))
    assert auth.asked == []
