"""Accounts at a strict provider, through the gateway: connected once, kept alive, given back."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from tests.flows.browsers import PUBLIC
from tests.strict_provider.person import Person
from tests.strict_provider.provider import READ, WRITE, Json
from tests.strict_provider.through_gateway import CALLBACK, SECRET, TTL_S, place

pytestmark = pytest.mark.tools

DOCUMENT = "https://gateway.example.com/oauth/client-metadata.json"
ENTERED: Json = {
    "client_id": "entered by hand",
    "client_secret": SECRET,
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
}
MACHINE: Json = {"client_id": "robot/1", "grant_types": ["client_credentials"], "response_types": []}


@pytest.fixture
async def ana() -> AsyncIterator[Person]:
    async with Person("ana at notes") as person:
        yield person


OAUTH: Json = {"type": "oauth"}
BY_HAND: Json = {"type": "oauth", "client_id": "entered by hand", "client_secret": {"secret": "notes-secret"}}
WAYS: dict[str, tuple[Json, str, Json]] = {
    "registration": (OAUTH, "none", {"documents": False}),
    "document": (OAUTH, DOCUMENT, {}),
    "entered-basic": (BY_HAND, "none", {"registration": False, "clients": [ENTERED]}),
    "entered-post": (
        {**BY_HAND, "token_endpoint_auth_method": "client_secret_post"},
        "none",
        {"registration": False, "clients": [{**ENTERED, "token_endpoint_auth_method": "client_secret_post"}]},
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_says_where_to_connect_and_goes_through_once_that_is_done(tmp_path: Path, ana: Person, way: str):
    auth, document, options = WAYS[way]
    async with place(tmp_path, auth, document, **options) as made:
        member = await made.member("ana@example.com")
        page = await made.connect(member, ana, await made.needed(member.key))
        assert page.status == 200, page.text
        assert await made.said(member.key) == "ana at notes"

        (asked,) = made.notes.provider.told("authorization")
        assert (asked["resource"], asked["scope"]) == (made.notes.url, f"{READ} offline_access")
        (code,) = made.notes.provider.told("token")
        assert (code["resource"], code.get("error")) == (made.notes.url, None)
        assert len(made.notes.provider.told("registration")) == (way == "registration")
        assert asked["client"] == {"document": DOCUMENT, "registration": asked["client"]}.get(way, "entered by hand")


async def test_two_members_have_an_account_each_and_neither_ever_acts_as_the_other(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made, Person("bob at notes") as bob:
        first, second = await made.member("ana@example.com"), await made.member("bob@example.com")
        await made.connect(first, ana)
        await made.needed(second.key)
        await made.connect(second, bob)
        pairs = await asyncio.gather(*(made.said(member.key) for member in [first, second] * 10))
        assert pairs == ["ana at notes", "bob at notes"] * 10
        # They are one client, and registered once.
        assert len(made.notes.provider.told("registration")) == 1


async def test_one_account_of_the_workspace_serves_its_services_too(tmp_path: Path, ana: Person):
    async with place(tmp_path, {"type": "oauth", "granularity": "workspace"}) as made:
        owner = await made.member("ana@example.com", organisation="owner")
        refused = await made.told(made.gw.key)
        assert "authorization_url" not in json.dumps(refused)
        await made.connect(owner, ana)
        assert await made.said(made.gw.key) == "ana at notes"


async def test_a_service_is_told_that_it_has_no_account_of_its_own(tmp_path: Path):
    async with place(tmp_path, OAUTH) as made:
        told = json.dumps(await made.told(made.gw.key))
        assert "authorization_url" not in told
        assert "service" in told
        assert made.notes.bearers == []


async def test_over_many_calls_each_expiry_costs_one_refresh_and_reuse_is_never_seen(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH, delay_ms=50) as made:
        member = await made.member("ana@example.com")
        await made.connect(member, ana)
        for rotation in range(1, 6):
            await made.lapse()
            assert await made.crowd(member.key) == {"ana at notes"}
            refreshes = made.notes.provider.tokens("refresh_token")
            assert [one["rotations"] for one in refreshes] == list(range(1, rotation + 1))
        assert [one for one in made.notes.provider.told("token") if "error" in one] == []
        assert made.notes.provider.told("revoked") == []
        assert len(made.notes.provider.told("authorization")) == 1


async def test_a_token_that_ends_early_is_replaced_within_the_call(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        await made.connect(member, ana)
        await made.said(member.key)
        # The gateway's clock stands still: only the server's 401 tells.
        await made.notes.provider.advance(TTL_S + 1)
        assert await made.crowd(member.key) == {"ana at notes"}
        assert len(made.notes.provider.tokens("refresh_token")) == 1


async def test_an_account_that_was_taken_back_at_the_provider_is_asked_for_again_and_not_tried_on(
    tmp_path: Path, ana: Person
):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        await made.connect(member, ana)
        await made.said(member.key)
        await made.notes.provider.withdraw(made.notes.provider.told("token")[0]["grant"])
        links = [await made.needed(member.key) for _ in range(3)]
        assert [one["error"] for one in made.notes.provider.tokens("refresh_token")] == ["invalid_grant"]
        await made.connect(member, ana, links[-1])
        assert await made.said(member.key) == "ana at notes"


async def test_disconnecting_gives_the_grant_back_at_the_provider(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        await made.connect(member, ana)
        await made.said(member.key)
        token = made.notes.bearers[-1]
        assert (await made.notes.provider.introspect(token))["active"]

        await made.disconnect(member)

        assert not (await made.notes.provider.introspect(token))["active"]
        (code,) = made.notes.provider.told("token")
        assert [one["grant"] for one in made.notes.provider.told("revoked")] == [code["grant"]]
        before = len(made.notes.bearers)
        await made.needed(member.key)
        assert len(made.notes.bearers) == before


async def test_connecting_anew_in_the_same_browser_leaves_a_working_account(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        for _ in range(2):
            await made.connect(member, ana)
            assert await made.said(member.key) == "ana at notes"
        # Whoever is signed in at the provider gets the same grant again: revoking the old token would end the new one.
        assert made.notes.provider.told("revoked") == []
        await made.lapse()
        assert await made.crowd(member.key) == {"ana at notes"}


async def test_a_call_that_needs_more_asks_for_that_and_keeps_what_there_was(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        await made.connect(member, ana)
        link = await made.needed(member.key, "write_note", words="hello")
        assert await made.said(member.key) == "ana at notes"
        await made.connect(member, ana, link)
        assert await made.said(member.key, "write_note", words="hello") == "ana at notes wrote: hello"
        assert await made.said(member.key) == "ana at notes"
        await made.lapse()
        assert await made.said(member.key, "write_note", words="again") == "ana at notes wrote: again"

        first, second = made.notes.provider.told("authorization")
        assert WRITE not in first["scope"]
        assert set(second["scope"].split()) == {READ, WRITE, "offline_access"}
        # One client throughout: a registration that names scopes would have been refused the second one.
        assert first["client"] == second["client"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
async def test_the_gateways_own_account_is_fetched_once_for_everybody(tmp_path: Path, method: str):
    key = ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
    signs = method == "private_key_jwt"
    known = {"jwks": {"keys": [ECKey.import_key(pem).as_dict(private=False)]}} if signs else {"client_secret": SECRET}
    client = {**MACHINE, "redirect_uris": [], "token_endpoint_auth_method": method, **known}
    auth = {
        "type": "client_credentials",
        "client_id": "robot/1",
        "scopes": [READ],
        "token_endpoint_auth_method": method,
        "private_key" if signs else "client_secret": {"secret": "notes-key" if signs else "notes-secret"},
    }
    async with place(tmp_path, {"type": "none"}, clients=[client], delay_ms=50) as made:
        await made.gw.admin.set_secret("notes-key", pem)
        server = {"slug": "notes", "url": made.notes.url, "workspaces": ["research"], "auth": auth}
        await made.gw.apply({"servers": [server]})
        for expiries in range(1, 4):
            assert await made.crowd(made.gw.key) == {"robot/1"}
            fetched = made.notes.provider.tokens("client_credentials")
            assert [(one["authentication"], one.get("error")) for one in fetched] == [(method, None)] * expiries
            await made.lapse()


async def test_who_does_not_agree_at_the_provider_is_told_so_and_nothing_is_connected(tmp_path: Path, ana: Person):
    ana.agrees = False
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        page = await made.connect(member, ana)
        assert page.url.startswith(PUBLIC)
        assert made.notes.provider.told("token") == []
        ana.agrees = True
        await made.connect(member, ana, await made.needed(member.key))
        assert await made.said(member.key) == "ana at notes"


@pytest.mark.parametrize("change", [{"iss": "https://evil.example.com"}, {"iss": ""}, {"state": "x" * 43}])
async def test_an_answer_that_is_not_from_this_provider_never_reaches_its_token_endpoint(
    tmp_path: Path, ana: Person, change: dict[str, str]
):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        told = dict(parse_qsl(urlsplit(await ana.visit(await made.leave(member))).query))
        changed = {name: value for name, value in {**told, **change}.items() if value}
        page = await member.browser.open(f"{CALLBACK}?{urlencode(changed)}")
        assert page.status >= 400, page.text
        assert made.notes.provider.told("token") == []
        await made.needed(member.key)


async def test_an_answer_in_somebody_elses_browser_connects_nothing(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made:
        member, other = await made.member("ana@example.com"), await made.member("eve@example.com")
        back = await ana.visit(await made.leave(member))
        assert (await other.browser.open(back)).status >= 400
        assert made.notes.provider.told("token") == []
        await made.needed(other.key)


async def test_an_answer_counts_once(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        back = await ana.visit(await made.leave(member))
        assert (await member.browser.open(back)).status == 200
        assert (await member.browser.open(back)).status >= 400
        # A code that came twice would have ended the grant.
        assert len(made.notes.provider.told("token")) == 1
        assert await made.said(member.key) == "ana at notes"


async def test_no_token_of_the_provider_is_readable_in_what_the_gateway_keeps_or_tells(tmp_path: Path, ana: Person):
    async with place(tmp_path, OAUTH) as made:
        member = await made.member("ana@example.com")
        await made.connect(member, ana)
        await made.said(member.key)
        kept = _kept(tmp_path) + repr(made.gw.records.lines).encode()
        assert made.notes.bearers
        assert not [token for token in set(made.notes.bearers) if token.encode() in kept]


def _kept(folder: Path) -> bytes:
    """The gateway's database, with what is not in its main file yet."""
    return b"".join(file.read_bytes() for file in folder.glob("gatehouse.db*"))
