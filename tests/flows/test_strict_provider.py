"""The SDK's own client signs in at an MCP server behind a strict provider: what the gateway must do for its users."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from mcp.client.auth import OAuthClientProvider, OAuthRegistrationError
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.shared.auth import OAuthClientInformationFull

from tests.asgi import headers_of
from tests.flows.upstreams import Respond, serving
from tests.strict_provider.client import CALLBACK, Memory, Refused, connected, said, signing_in
from tests.strict_provider.person import Person
from tests.strict_provider.provider import READ, WRITE
from tests.strict_provider.server import Notes, notes

pytestmark = pytest.mark.tools

SECRET = "a secret/with+signs:and spaces"
TTL_S = 300

ENTERED = {
    "client_id": "entered by hand",
    "client_secret": SECRET,
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "client_secret_basic",
}
WRITING = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "write_note"}}
MACHINE = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []}


@pytest.fixture
async def ana() -> AsyncIterator[Person]:
    async with Person("ana") as person:
        yield person


async def test_a_client_that_introduces_itself_signs_in_and_calls_a_tool_as_that_person(tmp_path: Path, ana: Person):
    async with notes(tmp_path) as place:
        async with connected(place, signing_in(place, ana, Memory())) as client:
            assert await said(client, "whoami") == "ana"
            assert await said(client, "whoami") == "ana"

        (asked,) = place.provider.told("authorization")
        assert (asked["resource"], asked["scope"]) == (place.url, f"{READ} offline_access")
        (code,) = place.provider.told("token")
        assert (code["grant_type"], code["resource"], code.get("error")) == ("authorization_code", place.url, None)
        (known,) = place.provider.told("registration")
        assert known["client_name"] == "SDK"
        assert READ in " ".join(ana.seen)


async def test_two_people_with_one_client_each_get_their_own_account(tmp_path: Path, ana: Person):
    memory = Memory(client=OAuthClientInformationFull.model_validate(ENTERED))
    async with notes(tmp_path, clients=[ENTERED]) as place, Person("bob") as bob:
        for person in (ana, bob):
            memory.tokens = None
            async with connected(place, signing_in(place, person, memory)) as client:
                assert await said(client, "whoami") == person.name


async def test_after_expiry_one_refresh_brings_new_tokens_and_nobody_is_asked(tmp_path: Path, ana: Person):
    memory = Memory()
    async with notes(tmp_path, access_token_ttl_s=TTL_S) as place:
        auth = signing_in(place, ana, memory)
        async with connected(place, auth) as client:
            await said(client, "whoami")
            for rotation in (1, 2):
                await _let_lapse(place, auth)
                assert not (await place.provider.introspect(memory.kept[-1].access_token))["active"]
                assert await said(client, "whoami") == "ana"
                assert place.provider.tokens("refresh_token")[-1]["rotations"] == rotation

        assert len(place.provider.told("authorization")) == 1
        assert len({tokens.refresh_token for tokens in memory.kept}) == 3


async def test_a_refresh_token_that_comes_twice_ends_the_grant_and_all_that_hangs_on_it(tmp_path: Path, ana: Person):
    memory = Memory()
    async with notes(tmp_path, access_token_ttl_s=TTL_S) as place:
        auth = signing_in(place, ana, memory)
        async with connected(place, auth) as client:
            await _let_lapse(place, auth)
            await said(client, "whoami")
            first, newest = memory.kept
            assert (await place.provider.introspect(newest.access_token))["active"]

            replayed = await _refresh(place, memory, first.refresh_token)

            assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")
            assert place.provider.told("token")[-1]["why"] == "refresh token already used"
            assert [one["grant"] for one in place.provider.told("revoked")] == [
                place.provider.told("token")[0]["grant"]
            ]
            for token in (newest.access_token, str(newest.refresh_token)):
                assert not (await place.provider.introspect(token))["active"]
            assert (await _refresh(place, memory, newest.refresh_token)).status_code == 400


async def test_a_call_that_needs_more_asks_the_person_for_that_and_goes_through(tmp_path: Path, ana: Person):
    memory = Memory(client=OAuthClientInformationFull.model_validate(ENTERED))
    async with notes(tmp_path, clients=[ENTERED]) as place:
        async with connected(place, signing_in(place, ana, memory)) as client:
            await said(client, "whoami")
            assert await said(client, "write_note", words="hello") == "ana wrote: hello"
            assert await said(client, "whoami") == "ana"

        first, second = place.provider.told("authorization")
        assert WRITE not in first["scope"]
        assert {READ, WRITE} < set(second["scope"].split())


async def test_a_client_that_registered_for_one_scope_never_gets_another(tmp_path: Path, ana: Person):
    async with notes(tmp_path) as place, through(signing_in(place, ana, Memory())) as http:
        assert (await http.post(place.url, json=WRITING)).status_code == 403
        with pytest.raises(Refused, match="invalid_scope"):
            await http.post(place.url, json=WRITING)


async def test_without_registration_a_client_that_nobody_entered_stays_out(tmp_path: Path, ana: Person):
    async with notes(tmp_path, registration=False, clients=[ENTERED]) as place:
        assert "registration_endpoint" not in await place.provider.metadata()
        async with through(signing_in(place, ana, Memory())) as http:
            with pytest.raises(OAuthRegistrationError):
                await http.post(place.url)
        known = Memory(client=OAuthClientInformationFull.model_validate(ENTERED))
        async with connected(place, signing_in(place, ana, known)) as client:
            assert await said(client, "whoami") == "ana"


async def test_a_client_is_known_by_its_metadata_document(tmp_path: Path, ana: Person):
    document = "https://client.example.com/client.json"
    asked: list[dict[str, str]] = []

    async def host(scope: Any, _receive: Any, send: Any) -> None:
        asked.append(headers_of(scope))
        grants = ["authorization_code", "refresh_token"]
        told = {"client_id": document, "client_name": "Known", "redirect_uris": [CALLBACK], "grant_types": grants}
        await Respond(send).json({**told, "token_endpoint_auth_method": "none"})

    async with serving(host) as port:
        elsewhere = {"https://client.example.com": f"http://127.0.0.1:{port}"}
        async with notes(tmp_path, registration=False, elsewhere=elsewhere) as place:
            async with connected(place, signing_in(place, ana, Memory(), document)) as client:
                assert await said(client, "whoami") == "ana"
            (code,) = place.provider.told("token")
            assert (code["client"], code["authentication"], len(asked)) == (document, "none", 1)


async def test_a_person_who_does_not_agree_sends_the_client_away(tmp_path: Path, ana: Person):
    ana.agrees = False
    async with notes(tmp_path) as place, through(signing_in(place, ana, Memory())) as http:
        with pytest.raises(Refused, match="access_denied"):
            await http.post(place.url)
        assert place.provider.told("token") == []


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
async def test_a_machine_with_credentials_of_its_own_gets_in_without_a_person(tmp_path: Path, method: str):
    key = ec.generate_private_key(ec.SECP256R1())
    machine: dict[str, Any] = {**MACHINE, "client_id": "robot/1", "token_endpoint_auth_method": method}
    if method == "private_key_jwt":
        machine["jwks"] = {"keys": [ECKey.import_key(_pem(key)).as_dict(private=False)]}
    else:
        machine["client_secret"] = SECRET
    async with notes(tmp_path, clients=[machine]) as place:
        async with connected(place, _machine(place, method, _pem(key))) as client:
            assert await said(client, "whoami") == "robot/1"
        (token,) = place.provider.told("token")
        assert (token["grant_type"], token["authentication"]) == ("client_credentials", method)


def through(auth: OAuthClientProvider) -> httpx2.AsyncClient:
    """Requests of any kind, where what goes wrong is not wrapped by the transport."""
    return httpx2.AsyncClient(trust_env=False, auth=auth)


def _machine(place: Notes, method: str, pem: str) -> OAuthClientProvider:
    given: dict[str, Any] = {"client_id": "robot/1", "scope": READ, "issuer": place.provider.issuer}
    if method == "private_key_jwt":
        signed = SignedJWTParameters(
            issuer="robot/1", subject="robot/1", signing_key=pem, signing_algorithm="ES256", lifetime_seconds=60
        )
        assertion = signed.create_assertion_provider()
        return PrivateKeyJWTOAuthProvider(place.url, Memory(), assertion_provider=assertion, **given)
    given["token_endpoint_auth_method"] = method
    return ClientCredentialsOAuthProvider(place.url, Memory(), client_secret=SECRET, **given)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


async def _let_lapse(place: Notes, auth: OAuthClientProvider) -> None:
    """For the provider and for the client, whose clock is the machine's."""
    await place.provider.advance(TTL_S + 1)
    auth.context.token_expiry_time = 1


async def _refresh(place: Notes, memory: Memory, token: str | None) -> Any:
    assert memory.client is not None
    return await place.provider.token(
        grant_type="refresh_token",
        refresh_token=str(token),
        client_id=memory.client.client_id,
        client_secret=str(memory.client.client_secret),
        resource=place.url,
    )
