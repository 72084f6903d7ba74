"""Clients: entered by an administrator, registered by themselves, looked up, and taken away."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from gateway_core.errors import Invalid
from gateway_core.issuer.client import MAX_NAME
from gateway_core.issuer.client_metadata import MAX_REDIRECT_URIS
from gateway_core.issuer.clients import MAX_ID
from gateway_core.issuer.registration import MAX_BODY
from gateway_core.storage import keys
from tests.unit.issuer.house import House, basic, error_of, headers, house

JSON = headers(("content-type", "application/json"))
PORTAL = {"redirect_uri": "https://portal.example/callback"}


@pytest.fixture
async def home(tmp_path: Path):
    async with house(tmp_path) as made:
        yield made


async def test_an_entered_client_is_listed_with_who_entered_it_and_its_secret_is_nowhere(home: House):
    client_id, secret = await home.entered()
    home.clock.now += 10
    second, none = await home.clients.create("Tool", ["com.example.app:/cb"], auth_method="none", by="eve@acme.dev")
    assert none is None
    assert secret
    listed = await home.clients.all()
    assert [(each.client.id, each.created_by) for each in listed] == [
        (client_id, "ana@acme.dev"),
        (second.client.id, "eve@acme.dev"),
    ]
    assert secret not in str(await home.table.get(keys.oauth_client(client_id)))
    assert secret not in str(listed)


async def test_a_client_that_is_deleted_is_unknown_and_every_grant_of_it_is_gone(home: House):
    client_id, secret = await home.entered()
    raw = basic(client_id, secret)
    mine = await home.redeem(client_id, await home.code(client_id, **PORTAL), raw, client_id=None, **PORTAL)
    dynamic, _ = await home.dynamic()
    others = await home.signed_in(dynamic)
    deleted = await home.clients.delete(client_id)
    assert deleted is not None
    assert deleted.client.id == client_id
    assert await home.clients.delete(client_id) is None
    assert await home.clients.all() == []
    assert not await home.good(mine)
    assert await home.good(others)
    assert error_of(await home.refresh(client_id, mine.body["refresh_token"], raw)) == (401, "invalid_client")
    assert await home.issuer.clients.find(client_id) is None


@pytest.mark.parametrize(
    ("name", "redirect_uris", "method"),
    [
        ("", ["https://portal.example/"], "none"),
        ("x" * (MAX_NAME + 1), ["https://portal.example/"], "none"),
        ("Portal", [], "none"),
        ("Portal", ["http://portal.example/"], "none"),
        ("Portal", [f"https://portal.example/{n}" for n in range(MAX_REDIRECT_URIS + 1)], "none"),
        ("Portal", ["https://portal.example/"], "private_key_jwt"),
    ],
)
async def test_what_an_administrator_enters_is_held_to_the_same_rules(home: House, name, redirect_uris, method):
    with pytest.raises(Invalid):
        await home.clients.create(name, redirect_uris, auth_method=method, by="ana@acme.dev")
    assert await home.clients.all() == []


@pytest.mark.parametrize("client_id", ["", "c-", "../ORG", "HEAD", "c-22222222", "CLIENT#c-22222222", "x" * 5_000])
async def test_an_id_that_nobody_has_finds_and_deletes_nothing(home: House, client_id: str):
    assert await home.issuer.clients.find(client_id) is None
    assert await home.issuer.clients.find_without_fetching(client_id) is None
    assert await home.clients.delete(client_id) is None


async def test_a_registration_says_everything_that_was_registered(home: House):
    said = {
        "client_name": "Flow",
        "redirect_uris": ["http://127.0.0.1/callback", "http://127.0.0.1/callback"],
        "client_uri": "https://flow.example",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "scope": "openid",
    }
    answer = await home.issuer.register(JSON, json.dumps(said).encode())
    assert answer.status == 201
    assert dict(answer.headers)["Cache-Control"] == "no-store"
    client_id, secret = answer.body.pop("client_id"), answer.body.pop("client_secret")
    assert client_id.startswith("ghd_")
    assert secret.startswith("ghs_")
    assert answer.body == {
        "client_id_issued_at": home.clock.now,
        "client_secret_expires_at": 0,
        "client_name": "Flow",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }


async def test_who_says_nothing_of_a_method_is_public_and_told_so(home: House):
    answer = await home.issuer.register(JSON, b'{"redirect_uris": ["http://127.0.0.1/callback"]}')
    assert answer.body["token_endpoint_auth_method"] == "none"
    assert answer.body["client_name"] == "unnamed app"
    assert "client_secret" not in answer.body


async def test_registering_stores_nothing(home: House):
    before = await home.table.query(keys.ORGANISATION, limit=500)
    for _ in range(5):
        await home.dynamic()
    assert await home.table.query(keys.ORGANISATION, limit=500) == before


async def test_a_client_id_that_was_altered_anywhere_is_unknown(home: House):
    client_id, _ = await home.dynamic()
    for place in range(4, len(client_id)):
        letter = "A" if client_id[place] != "A" else "B"
        assert await home.issuer.clients.find(client_id[:place] + letter + client_id[place + 1 :]) is None
    for altered in (
        client_id + "A",
        client_id[:-1],
        client_id + "=",
        client_id.replace("ghd_", "ghd_ "),
        client_id + "\n",
    ):
        assert await home.issuer.clients.find(altered) is None


async def test_what_was_sealed_for_something_else_is_no_client(home: House):
    sealed = await home.issuer.keyring.seal(b"{}", context="session")
    assert await home.issuer.clients.find("ghd_" + urlsafe_b64encode(sealed).decode().rstrip("=")) is None


async def test_the_largest_registration_still_has_an_id_that_is_looked_up(home: House):
    uris = [f"https://app.example/{number}/{'x' * 100}" for number in range(MAX_REDIRECT_URIS)]
    client_id, _ = await home.dynamic(redirect_uris=uris, client_name="x" * MAX_NAME)
    assert 1_900 < len(client_id) < MAX_ID
    assert await home.issuer.clients.find(client_id) is not None


async def test_a_registration_of_more_than_its_bound_is_refused_by_its_length_alone(home: House):
    body = b'{"redirect_uris": ["http://127.0.0.1/callback"]}'
    assert (await home.issuer.register(JSON, body + b" " * (MAX_BODY - len(body)))).status == 201
    assert error_of(await home.issuer.register(JSON, body + b" " * (MAX_BODY - len(body) + 1)))[0] == 400
