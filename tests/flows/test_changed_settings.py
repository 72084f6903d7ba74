"""Settings of an account that change while it is connected, used or taken away: whom no secret goes to then."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.browsers import Page
from tests.flows.test_upstream_own import OWN, SECRET, account, own
from tests.flows.token_servers import CLIENT, TokenServer, token_server
from tests.flows.tracker import PAGE, Scene, left, scene
from tests.flows.upstreams import Asked, Json

OLD: Json = {"client_id": "old", "client_secret": {"secret": "old-secret"}}
NEW: Json = {"client_id": "new", "client_secret": {"secret": "new-secret"}, "issuer": "https://another.example:8443"}
POST: Json = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}


async def entered(at: Scene) -> None:
    """The tracker knows a client that was entered, and there is a secret for another authorization server."""
    at.tracker.said, at.tracker.clients = POST, {"old": "client_secret_post", "new": "client_secret_post"}
    for name in ("old", "new"):
        await at.gw.admin.set_secret(f"{name}-secret", f"{name}-value")


def shown(at: Scene) -> set[Any]:
    """The secrets that the tracker's endpoints were shown."""
    return {form.fields.get("client_secret") for form in [*at.tracker.forms, *at.tracker.revocations]}


async def test_who_comes_back_from_where_nobody_is_sent_any_more_connects_nothing_and_shows_no_secret(tmp_path):
    async with scene(tmp_path) as at:
        await entered(at)
        for changed in (NEW, {**OLD, "issuer": NEW["issuer"]}, {**OLD, "client_id": "new"}):
            await at.set_up(OLD)
            back = at.tracker.visit(await left(at.at.ana))
            await at.set_up(changed)
            page = await at.at.ana.open(back)
            assert (page.status, "Tracker was changed meanwhile" in page.text) == (400, True)
        assert shown(at) == set()
        # Another secret of the same client is for whom the one before was.
        await at.set_up(OLD)
        back = at.tracker.visit(await left(at.at.ana))
        await at.set_up({**OLD, "client_secret": {"secret": "new-secret"}})
        assert (await at.at.ana.open(back)).status == 200
        assert shown(at) == {"new-value"}


async def test_a_page_that_was_made_from_other_settings_leads_nowhere(tmp_path):
    async with scene(tmp_path) as at:
        await entered(at)
        for before, after in (({}, NEW), (OLD, NEW), ({"scopes": ["read"]}, {"scopes": ["write"]})):
            await at.set_up(before)
            page: Page = await at.at.ana.open(PAGE)
            await at.set_up(after)
            page = await at.at.ana.submit(page, PAGE)
            assert (page.status, "Tracker was changed meanwhile" in page.text) == (400, True)
        assert (at.tracker.asked, shown(at)) == ([], set())


async def test_what_is_taken_back_where_the_gateway_was_another_client_is_not_proved_with_the_new_ones_secret(tmp_path):
    async with scene(tmp_path) as at:
        await entered(at)
        for settings, told in ((NEW, "could not be taken back"), (OLD, "was taken back where it came from")):
            await at.set_up(OLD)
            await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
            await at.set_up(settings)
            page = await at.at.ana.open("/oauth/account")
            (form,) = [form for form in page.forms if form.fields.get("what") == "account"]
            assert told in (await at.at.ana.post("/oauth/account", form.fields)).text
        assert shown(at) == {"old-value"}


async def test_a_client_that_is_not_known_there_any_more_is_registered_anew_where_a_renewal_has_shown_it(tmp_path):
    async with scene(tmp_path) as at:
        key = await at.key("ana@example.com")
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        # Whoever came with this one to the log-in page would not get away from there.
        del at.tracker.clients["client-1"]
        at.tracker.refusal = {"error": "invalid_client"}
        at.gw.clock[0] += 3600
        assert "It says invalid_client." in await at.called(key)
        at.tracker.refusal = None
        assert (await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))).status == 200
        assert at.tracker.asked[-1]["client_id"] == "client-2"
        assert "I am ana." in await at.called(key)
        # Nobody else's is forgotten with it, and one that works is not either.
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert at.tracker.asked[-1]["client_id"] == "client-2"


async def test_a_client_that_is_not_known_there_any_more_is_registered_anew_once_its_server_was_removed_and_added(
    tmp_path,
):
    async with scene(tmp_path) as at:
        assert "client_id=client-1&" in await left(at.at.ana)
        del at.tracker.clients["client-1"]
        # Nobody comes back from a log-in page that says so, so the gateway cannot know.
        assert "client_id=client-1&" in await left(at.at.ana)
        others = [{"slug": "linear", "url": "http://127.0.0.1:9/mcp", "workspaces": ["research"]}]
        workspaces = [{"slug": "research", "name": "Research"}, {"slug": "sales"}]
        await at.gw.apply({"workspaces": workspaces, "servers": others}, prune=True)
        await at.set_up()
        assert (await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))).status == 200
        assert at.tracker.asked[-1]["client_id"] == "client-2"


def published(tokens: TokenServer, **changed: Any) -> str:
    """The issuer of a token endpoint that says what it is."""
    issuer = tokens.url.removesuffix("/token")
    tokens.metadata = {"issuer": issuer, "token_endpoint": tokens.url, **changed}
    return issuer


def naming(at: Any, issuer: Callable[[], str]) -> None:
    """From now on the server says that this is its authorization server."""
    guarded = at.upstream.answer

    async def answer(asked: Asked) -> None:
        if asked.method == "GET" and "oauth-protected-resource" in asked.path:
            await asked.respond.json({"resource": at.upstream.url, "authorization_servers": [issuer()]})
        else:
            await guarded(asked)

    at.upstream.answer = answer


async def test_a_secret_is_shown_to_no_authorization_server_that_wants_none(tmp_path):
    exchange = {**OWN, "type": "token_exchange", "subject": "identity"}
    async with own(tmp_path) as at:
        issuer = published(at.tokens, token_endpoint_auth_methods_supported=["private_key_jwt"])
        naming(at, lambda: issuer)
        for auth in (OWN, {**exchange, "issuer": issuer}):
            await at.set_up(auth=auth)
            assert (
                f"The client of Linear has a secret, and {issuer} wants clients to prove themselves otherwise. If it "
                "takes a secret all the same, an administrator says how, with `token_endpoint_auth_method`"
            ) in await at.said()
        assert (at.tokens.forms, set(at.seen())) == ([], {""})
        await at.set_up(auth={**OWN, "token_endpoint_auth_method": "client_secret_post"})
        assert await at.said() == "Sunny."


@pytest.mark.parametrize("ended", [False, True], ids=["before its token has ended", "when it has"])
async def test_the_gateways_own_secret_stays_with_the_authorization_server_that_it_was_first_used_at(tmp_path, ended):
    async with own(tmp_path, expires_in=7200) as at, token_server(client=(CLIENT, SECRET)) as other:
        named = [published(at.tokens), published(other)]
        naming(at, lambda: named[0])
        await at.set_up(auth=OWN)
        assert await at.said() == "Sunny."
        named.reverse()
        at.gw.clock[0] += 7200 if ended else 7200 - 30
        said = await at.said()
        if ended:
            assert said == (
                "Linear has named another authorization server than the one that its client was used at so far, which "
                "was told nothing. If Linear has moved there, an administrator enters its `issuer` and a client of it "
                "in the server's auth."
            )
        else:
            assert said == "Sunny."
        assert other.forms == []
        assert (await account(at)).issuer == named[1]
        # An administrator says so.
        await at.set_up(auth={**OWN, "issuer": named[0]})
        assert await at.said() == "Sunny."
        assert [form.client() for form in other.forms] == [(CLIENT, SECRET)]
        assert (await account(at)).issuer == named[0]
