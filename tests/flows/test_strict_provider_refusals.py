"""What the strict provider refuses: the gateway's tests lean on each of these."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.flows.browsers import OAuthClient
from tests.strict_provider.client import CALLBACK
from tests.strict_provider.person import Person
from tests.strict_provider.provider import READ, Json, Options, StrictProvider, strict_provider
from tests.strict_provider.server import notes

pytestmark = pytest.mark.tools

NOTES, OTHER, FOREIGN = "http://127.0.0.1:9/mcp", "http://127.0.0.1:9/other/mcp", "http://127.0.0.1:9/foreign/mcp"
OFFLINE = {"scope": f"{READ} offline_access", "prompt": "consent"}
PEOPLE = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"]}
PUBLIC = {**PEOPLE, "client_id": "public", "token_endpoint_auth_method": "none"}
BASIC = {**PEOPLE, "client_id": "basic", "client_secret": "s", "token_endpoint_auth_method": "client_secret_basic"}


@dataclass
class Desk:
    """A public client and its person at the provider."""

    provider: StrictProvider
    client: OAuthClient
    ana: Person
    http: httpx2.AsyncClient
    resource: str = NOTES

    async def asks(self, **changed: str) -> dict[str, str]:
        """What the client is told after an authorization request, well formed but for what was `changed`."""
        path = self.client.url(**{"resource": self.resource, **OFFLINE, **changed})
        url = f"{self.provider.issuer}/auth{path.removeprefix('/authorize')}"
        back = urlsplit(await self.ana.visit(url))
        return dict(parse_qsl(back.query or back.fragment))

    async def redeems(self, code: str, **changed: str) -> httpx2.Response:
        return await self.client.redeem(self.http, code, **{"resource": self.resource, **changed})

    async def signs_in(self, **changed: str) -> Json:
        """The tokens of a whole sign-in."""
        return dict((await self.redeems((await self.asks(**changed))["code"])).json())

    async def refreshes(self, token: str, **changed: str) -> httpx2.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client.id}
        return await self.provider.token(**{**form, "resource": self.resource, **changed})

    async def active(self, token: str) -> bool:
        return bool((await self.provider.introspect(token))["active"])


@asynccontextmanager
async def at(provider: StrictProvider, resource: str = NOTES) -> AsyncIterator[Desk]:
    async with Person("ana") as ana, httpx2.AsyncClient(base_url=provider.issuer, trust_env=False) as http:
        yield Desk(provider, OAuthClient("public", CALLBACK), ana, http, resource)


@asynccontextmanager
async def desk(folder: Path, **options: Any) -> AsyncIterator[Desk]:
    chosen = Options([NOTES, OTHER], clients=[PUBLIC, BASIC], **options)
    async with strict_provider(folder, chosen) as provider, at(provider) as made:
        yield made


async def test_a_request_that_is_not_strict_comes_back_with_an_error_that_names_the_issuer(tmp_path: Path):
    wrong: list[tuple[dict[str, str], str]] = [
        ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"resource": ""}, "invalid_target"),
        ({"resource": FOREIGN}, "invalid_target"),
        ({"resource": f"{NOTES}/"}, "invalid_target"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ]
    async with desk(tmp_path) as place:
        for changed, error in wrong:
            told = await place.asks(**changed)
            assert (told["error"], told["iss"]) == (error, place.provider.issuer), changed
        assert "code" in await place.asks()


@pytest.mark.parametrize("changed", [{"redirect_uri": f"{CALLBACK}/more"}, {"redirect_uri": ""}, {"client_id": "x"}])
async def test_a_request_of_a_client_that_is_not_known_so_is_sent_nowhere(tmp_path: Path, changed: dict[str, str]):
    async with desk(tmp_path) as place:
        with pytest.raises(AssertionError, match=r"invalid_(redirect_uri|client|request)"):
            await place.asks(**changed)


async def test_a_code_is_good_only_for_what_it_was_made_for(tmp_path: Path):
    wrong: list[tuple[dict[str, str], str]] = [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"redirect_uri": f"{CALLBACK}/more"}, "invalid_grant"),
        ({"resource": ""}, "invalid_target"),
        ({"resource": OTHER}, "invalid_target"),
        ({"client_id": "basic"}, "invalid_client"),
        ({"client_id": "basic", "client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "basic", "client_secret": "s"}, "invalid_grant"),
    ]
    async with desk(tmp_path) as place:
        for changed, error in wrong:
            answer = await place.redeems((await place.asks())["code"], **changed)
            assert answer.json().get("error") == error, changed


async def test_a_client_authenticates_as_it_was_entered_and_in_no_other_way(tmp_path: Path):
    async with desk(tmp_path) as place:
        code = (await place.asks(client_id="basic"))["code"]
        posted = await place.redeems(code, client_id="basic", client_secret="s")
        assert (posted.status_code, posted.json()["error"]) == (401, "invalid_client")
        assert place.provider.told("token")[-1]["why"] == "this client uses client_secret_basic"


async def test_a_code_that_comes_twice_ends_what_the_first_one_brought(tmp_path: Path):
    async with desk(tmp_path) as place:
        code = (await place.asks())["code"]
        tokens = (await place.redeems(code)).json()
        assert (await place.redeems(code)).json()["error"] == "invalid_grant"
        assert not await place.active(tokens["access_token"])


async def test_without_agreement_to_access_for_long_there_is_no_refresh_token(tmp_path: Path):
    async with desk(tmp_path) as place:
        assert "refresh_token" not in await place.signs_in(prompt="")
        assert "refresh_token" not in await place.signs_in(scope=READ)
        assert "refresh_token" in await place.signs_in()


async def test_of_refreshes_at_once_one_is_served_and_the_next_ends_the_grant(tmp_path: Path):
    async with desk(tmp_path, delay_ms=20) as place:
        token = (await place.signs_in())["refresh_token"]
        answers = await asyncio.gather(*(place.refreshes(token) for _ in range(8)))

        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 7]
        (won,) = (answer.json() for answer in answers if answer.status_code == 200)
        assert not await place.active(won["access_token"])
        assert len(place.provider.told("revoked")) == 1


async def test_a_refresh_without_its_resource_is_refused_before_it_costs_anything(tmp_path: Path):
    async with desk(tmp_path) as place:
        token = (await place.signs_in())["refresh_token"]
        assert (await place.refreshes(token, resource="")).json()["error"] == "invalid_target"
        assert (await place.refreshes(token)).status_code == 200


async def test_a_revoked_refresh_token_takes_the_access_token_with_it(tmp_path: Path):
    async with desk(tmp_path) as place:
        tokens = await place.signs_in()
        form = {"token": tokens["refresh_token"], "client_id": "public"}
        assert (await place.http.post("/token/revocation", data=form)).status_code == 200
        assert not await place.active(tokens["access_token"])
        assert (await place.refreshes(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_who_is_still_signed_in_gets_the_same_grant_again_and_its_old_token_ends_the_new_one(tmp_path: Path):
    async with desk(tmp_path) as place:
        old, new = await place.signs_in(), await place.signs_in()
        assert len({one["grant"] for one in place.provider.told("token")}) == 1
        await place.http.post("/token/revocation", data={"token": old["refresh_token"], "client_id": "public"})
        assert not await place.active(new["access_token"])


async def test_a_grant_that_its_person_takes_back_is_gone_without_a_word(tmp_path: Path):
    async with desk(tmp_path) as place:
        tokens = await place.signs_in()
        await place.provider.withdraw(place.provider.told("token")[0]["grant"])
        assert not await place.active(tokens["access_token"])
        assert (await place.refreshes(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_registration_against_the_policy_is_refused(tmp_path: Path):
    good: Json = {"client_name": "Probe", **PEOPLE}
    wrong: list[Json] = [
        {"client_name": None},
        {"grant_types": ["client_credentials"], "response_types": []},
        {"scope": "notes:burn"},
    ]
    async with desk(tmp_path) as place:
        for changed in wrong:
            told = {name: value for name, value in {**good, **changed}.items() if value is not None}
            answer = await place.http.post("/reg", json=told)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), changed
        assert (await place.http.post("/reg", json=good)).status_code == 201


async def test_no_token_or_secret_is_in_the_log(tmp_path: Path):
    async with desk(tmp_path) as place:
        tokens = await place.signs_in()
        answer = await place.http.post("/reg", json={"client_name": "Probe", **PEOPLE})
        await place.refreshes(tokens["refresh_token"])
        log = place.provider.log.read_text()
        for secret in (tokens["access_token"], tokens["refresh_token"], answer.json()["client_secret"]):
            assert secret not in log


async def test_a_token_for_another_server_does_not_open_this_one(tmp_path: Path):
    async with notes(tmp_path, OTHER, clients=[PUBLIC]) as place, at(place.provider, OTHER) as there:
        bearer = {"authorization": f"Bearer {(await there.signs_in())['access_token']}"}
        assert (await there.http.post(place.url, headers=bearer)).status_code == 401
