"""The section `clients` at work: who may not ask is told so on a page, in every process, and nothing is fetched."""

from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway_core.compose_oauth import oauth_api
from gateway_core.errors import StoreUnavailable
from gateway_core.issuer.registered import RegisteredClients
from gateway_core.ports import Key
from gateway_core.settings import Settings
from gateway_core.storage import keys
from tests.certificates import Authority
from tests.flows.browsers import PUBLIC, Browser, OAuthClient, Stage, register, stage
from tests.flows.gateways import INITIALIZE, Gateway
from tests.flows.test_oauth_vouching import with_vendor
from tests.unit.issuer.vendor import HOST

LINEAR = f"{PUBLIC}/research/linear/mcp"
METADATA = "/.well-known/oauth-authorization-server"
CLAUDE = "https://claude.ai/oauth/claude-code-client-metadata"
CLAUDES_REDIRECT = "http://localhost:3118/callback"
LOGGED = ("client_not_allowed", "oauth_refused")
NOBODY = {"clients": {"metadata_documents": "none", "dynamic_registration": False}}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.found(tmp_path_factory.mktemp("authority"))


class Watched:
    """A store that notes which items are read, and fails at those that it should."""

    def __init__(self, table: Any) -> None:
        self.table, self.read, self.failing = table, [], False  # type: ignore[var-annotated]

    async def get(self, key: Key) -> Any:
        self.read.append(key)
        if self.failing and key == keys.client_policy():
            raise StoreUnavailable("The store does not answer.")
        return await self.table.get(key)

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.table, verb)


@asynccontextmanager
async def another_process(gw: Gateway, folder: Path):
    """A browser before another process on the same store, which is watched."""
    table: Any = Watched(gw.table)
    app = oauth_api(Settings(public_url=PUBLIC, gatehouse_data=folder), replace(gw.world, table=table))
    browser = Browser(app)
    try:
        yield browser, table
    finally:
        await browser.close()
        await app.close()


async def let_in(at: Stage, client: OAuthClient, resource: str = LINEAR) -> dict[str, Any]:
    """The tokens of a client that Ana allows."""
    back = await at.ana.submit(await at.ana.open(client.url(resource)), "/authorize", "allow")
    tokens: dict[str, Any] = (await client.redeem(at.ana.http, back.parameters["code"])).json()
    return tokens


async def test_a_client_that_is_not_allowed_is_refused_on_a_page_that_says_which_and_whom_to_ask(tmp_path):
    async with stage(tmp_path) as at:
        probe = await register(at.ana.http, "Probe")
        for config in (NOBODY, {"clients": {"metadata_documents": ["chatgpt.com"], "dynamic_registration": False}}):
            await at.gw.apply(config)
            for client, name in (
                (probe, "as this one did under the name 'Probe'."),
                (OAuthClient(CLAUDE, CLAUDES_REDIRECT), CLAUDE),
            ):
                for browser in (at.ana, at.browser()):
                    page = await browser.open(client.url(LINEAR))
                    assert (page.status, page.url) == (400, PUBLIC + client.url(LINEAR))
                    assert "This app is not allowed here The organisation does not allow" in page.text
                    assert name in page.text
                    assert "Ask an administrator: the section clients" in page.text
                    assert "'gatehouse clients create' enters one that always may" in page.text


async def test_what_stands_between_page_and_click_is_seen_at_the_click(tmp_path):
    async with stage(tmp_path) as at:
        probe = await register(at.ana.http)
        page = await at.ana.open(probe.url(LINEAR))
        await at.gw.apply(NOBODY)
        late = await at.ana.submit(page, "/authorize", "allow")
        assert (late.status, late.url) == (400, f"{PUBLIC}/authorize")
        assert "This app is not allowed here" in late.text


async def test_tokens_of_a_client_end_with_its_access_token_in_every_process_and_come_back_with_the_policy(tmp_path):
    async with stage(tmp_path) as at, another_process(at.gw, tmp_path) as (other, _):
        for client in (OAuthClient(CLAUDE, CLAUDES_REDIRECT), await register(at.ana.http)):
            tokens = await let_in(at, client)
            code = (await at.ana.submit(await at.ana.open(client.url(LINEAR)), "/authorize", "allow")).parameters[
                "code"
            ]
            await at.gw.apply(NOBODY)
            for http in (at.ana.http, other.http):
                for told in (await client.redeem(http, code), await client.refresh(http, tokens["refresh_token"])):
                    assert (told.status_code, told.json()["error"]) == (401, "invalid_client")
                    assert "The organisation does not allow" in told.json()["error_description"]
                    assert "Ask an administrator: the section clients" in told.json()["error_description"]
            # Calls read no policy: an access token is believed to its end, an hour at most.
            answered = await at.gw.post("/research/linear/mcp", INITIALIZE, tokens["access_token"])
            assert answered.status_code != 401
            await at.gw.apply({"clients": {}})
            assert (await client.refresh(other.http, tokens["refresh_token"])).status_code == 200
            assert (await client.redeem(other.http, code)).status_code == 200


async def test_registering_is_refused_in_the_form_of_its_rfc_and_works_again_at_once(tmp_path):
    async with stage(tmp_path) as at, another_process(at.gw, tmp_path) as (other, _):
        body = {"client_name": "Probe", "redirect_uris": ["http://127.0.0.1/callback"]}
        await at.gw.apply({"clients": {"dynamic_registration": False}})
        for http in (at.ana.http, other.http):
            told = await http.post("/register", json=body)
            assert (told.status_code, told.headers["cache-control"]) == (400, "no-store")
            assert told.headers["content-type"] == "application/json"
            assert told.json() == {
                "error": "access_denied",
                "error_description": "The organisation does not allow apps that register themselves. Ask an "
                "administrator: the section clients of the configuration file says which apps may sign in, and "
                "'gatehouse clients create' enters one that always may.",
            }
        await at.gw.apply({"clients": {"metadata_documents": "none"}})
        for http in (at.ana.http, other.http):
            assert (await http.post("/register", json=body)).status_code == 201


async def test_the_metadata_follows_the_policy_for_one_read_of_the_store(tmp_path):
    async with stage(tmp_path) as at, another_process(at.gw, tmp_path) as (other, table):
        before = (await other.http.get(METADATA)).json()
        assert before["registration_endpoint"] == f"{PUBLIC}/register"
        assert before["client_id_metadata_document_supported"] is True
        assert table.read == [keys.client_policy()]
        await at.gw.apply(NOBODY)
        after = (await other.http.get(METADATA)).json()
        assert "registration_endpoint" not in after
        assert after["client_id_metadata_document_supported"] is False
        assert {**before, **after}.keys() == before.keys()


async def test_a_site_that_is_not_allowed_is_never_asked_for_its_document(tmp_path, authority):
    redirect = "https://vendor.example/cb"
    async with with_vendor(tmp_path, authority) as (at, vendor):
        client = OAuthClient(vendor.url, redirect)
        for documents in ("none", "known", [HOST], ["chatgpt.com"]):
            await at.gw.apply({"clients": {"metadata_documents": documents}})
            page = await at.ana.open(client.url(LINEAR))
            assert "This app is not allowed here" in page.text
            assert vendor.url in page.text
        assert vendor.asked == []
        await at.gw.apply({"clients": {"metadata_documents": [vendor.url.split("/")[2].upper()]}})
        assert "An app calling itself Claude" in (await at.ana.open(client.url(LINEAR))).text
        assert len(vendor.asked) == 1


async def test_entered_clients_and_the_command_line_are_let_in_whatever_the_policy_and_cost_no_read_of_it(tmp_path):
    async with stage(tmp_path) as at, another_process(at.gw, tmp_path) as (other, table):
        await at.gw.apply(NOBODY)
        made, _ = await RegisteredClients(at.gw.table, lambda: at.gw.clock[0]).create(
            "Portal", ["https://portal.example/cb"], auth_method="none", by="ana@example.com"
        )
        entered = OAuthClient(made.client.id, "https://portal.example/cb")
        tokens = await let_in(at, entered)
        assert (await entered.refresh(other.http, tokens["refresh_token"])).status_code == 200
        built_in = OAuthClient("gatehouse-cli", "http://127.0.0.1:4711/callback")
        assert (await other.http.get(built_in.url())).status_code == 303
        assert (await other.http.get(entered.url(LINEAR))).status_code == 303
        assert keys.client_policy() not in table.read


async def test_while_the_policy_cannot_be_read_nobody_is_let_in_and_nothing_is_fetched(tmp_path, authority):
    async with with_vendor(tmp_path, authority) as (at, vendor):
        probe, body = await register(at.ana.http), {"redirect_uris": ["http://127.0.0.1/callback"]}
        tokens = await let_in(at, probe)
        async with another_process(at.gw, tmp_path) as (other, table):
            table.failing = True
            for client in (probe, OAuthClient(vendor.url, "https://vendor.example/cb")):
                assert (await other.http.get(client.url(LINEAR))).status_code == 503
            refused = await probe.refresh(other.http, tokens["refresh_token"])
            assert (refused.status_code, refused.json()["error"]) == (503, "server_error")
            assert (await other.http.post("/register", json=body)).status_code == 503
            # A 404 would send clients to where they guess.
            told = await other.http.get(METADATA)
            assert (told.status_code, told.headers["cache-control"]) == (503, "no-store")
            assert "Try again in a moment" in told.text
            table.failing = False
            assert (await probe.refresh(other.http, tokens["refresh_token"])).status_code == 200
        assert vendor.asked == []


async def test_who_was_refused_is_in_the_log_without_its_name(tmp_path, caplog):
    async with stage(tmp_path) as at:
        probe = await register(at.ana.http, "Probe of mine")
        await at.gw.apply(NOBODY)
        caplog.set_level("INFO")
        for client in (probe, OAuthClient(CLAUDE, CLAUDES_REDIRECT)):
            await at.ana.open(client.url(LINEAR))
        told = [vars(record)["fields"] for record in caplog.records if record.message == "client_not_allowed"]
        assert told == [{"kind": "dynamic", "host": None}, {"kind": "metadata_document", "host": "claude.ai"}]
        assert "Probe of mine" not in caplog.text


async def test_the_name_that_a_stranger_chose_reads_as_no_words_of_ours(tmp_path):
    async with stage(tmp_path) as at:
        probe = await register(
            at.ana.http, "Gatehouse'. Your account is locked, call \u201c+1 555 0100\u201d now please"
        )
        await at.gw.apply(NOBODY)
        page = await at.browser().open(probe.url(LINEAR))
        assert "under the name 'Gatehouse. Your account is locked, call…'. Ask an administrator" in page.text


async def test_a_registration_that_is_refused_is_in_the_log_without_its_name(tmp_path, caplog):
    async with stage(tmp_path) as at:
        caplog.set_level("INFO")
        await at.ana.http.post("/register", json={"client_name": "Probe of mine", "redirect_uris": []})
        await at.gw.apply(NOBODY)
        await at.ana.http.post("/register", json={"client_name": "Probe of mine", "redirect_uris": [LINEAR]})
        told = [(record.message, vars(record)["fields"]) for record in caplog.records if record.message in LOGGED]
        assert told == [
            ("oauth_refused", {"reason": "invalid_redirect_uri"}),
            ("client_not_allowed", {"kind": "dynamic", "host": None}),
        ]
        assert "Probe of mine" not in caplog.text


async def test_my_access_says_of_an_app_that_the_organisation_allows_it_no_more(tmp_path):
    async with stage(tmp_path) as at:
        for client in (OAuthClient(CLAUDE, CLAUDES_REDIRECT), await register(at.ana.http)):
            await let_in(at, client)
        await let_in(at, OAuthClient("gatehouse-cli", "http://127.0.0.1:4711/callback"), f"{PUBLIC}/api/v1")
        told = "Not allowed any more by your organisation"
        for config, counted in (({}, 0), ({"dynamic_registration": False}, 1), (NOBODY["clients"], 2)):
            await at.gw.apply({"clients": config})
            page = (await at.ana.open("/oauth/account")).text
            assert (page.count(told), page.count("You end it here")) == (counted, 3)
