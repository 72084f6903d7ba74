"""Accounts that are listed and taken away: by their owner, by administrators, and with what they hung on."""

import asyncio

import pytest

from gateway_core.connect.kept_clients import KeptClients
from gateway_core.errors import StoreUnavailable
from gateway_core.ports import Key
from gateway_core.storage import keys
from tests.flows.actors import admin_key, ask, granted, workspace_id
from tests.flows.desks import Desk, joined, logged_in
from tests.flows.token_servers import server_of
from tests.flows.tracker import PAGE, Scene, left, scene, tracker

ACCOUNT = "/oauth/account"


async def test_my_access_lists_my_accounts_in_words_and_leads_to_connecting_again(tmp_path):
    async with scene(tmp_path) as at:
        assert "Your accounts at servers" not in (await at.at.ana.open(ACCOUNT)).text
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        page = await at.at.ana.open(ACCOUNT)
        assert (
            "Tracker Account not told by the server State Works. The gateway renews it. Connected 18 Nov 2026 Gave "
            "read Connect Tracker again Disconnect"
        ) in page.text, page.text
        assert f'href="{PAGE}"' in page.response.text
        ben, _ = await at.at.member("ben@example.com", "research")
        assert "Your accounts at servers" not in (await ben.open(ACCOUNT)).text
        # What has ended says so, and why.
        key = await at.key("ana@example.com")
        at.tracker.tokens.clear()
        await at.called(key)
        page = await at.at.ana.open(ACCOUNT)
        assert "Needs you again." in page.text
        assert "Now connected on" in (await at.at.ana.open(PAGE)).text


async def test_my_access_leads_to_each_account_of_ones_own_that_is_not_connected_yet(tmp_path):
    link = f'<a href="{PAGE}">Connect <bdi>Tracker</bdi></a>'
    async with scene(tmp_path) as at:
        page = (await at.at.ana.open(ACCOUNT)).response.text
        # None of a server that is used without an account.
        assert (link in page, page.count('href="/connect/')) == (True, 1)
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert link not in (await at.at.ana.open(ACCOUNT)).response.text
        ben, _ = await at.at.member("ben@example.com", "research")
        assert link in (await ben.open(ACCOUNT)).response.text
        # Somebody else connects that one, for everybody.
        await at.set_up({"granularity": "workspace"})
        assert link not in (await ben.open(ACCOUNT)).response.text


@pytest.mark.parametrize(("granularity", "holder"), [("workspace", "research"), ("organisation", "org")])
async def test_pages_and_api_say_how_an_account_that_others_use_is_ended(tmp_path, granularity, holder):
    async with scene(tmp_path, {"granularity": granularity}) as at:
        ends = f"gatehouse connections disconnect tracker {holder}"
        assert f"It is ended on its own page , or with {ends} , or at" in (await at.at.ana.open(PAGE)).text
        page = await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert f"It is ended on its own page , or with {ends} ." in page.text, page.text
        assert f'<a href="{PAGE}">its own page</a>' in page.response.text
        assert "You end it under My access" not in page.text
        _, ben = await at.at.member("ben@example.com", "research")
        _, eve = await at.at.member("eve@example.com", "sales")
        for member, told in ((ben, ends), (eve, "no account at 'tracker'.")):
            _, token = await granted(at.gw, member.id)
            gone = await ask(at.gw, token, "DELETE", "/me/connections/tracker")
            assert (gone.status_code, gone.json()["detail"].endswith(told)) == (404, True), gone.text


@pytest.mark.parametrize("where", [ACCOUNT, f"{PAGE}/disconnect"])
async def test_disconnecting_is_at_once_and_gives_the_permission_back_the_refresh_token_first(tmp_path, where):
    async with scene(tmp_path) as at:
        key = await at.key("ana@example.com")
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert "I am ana." in await at.called(key)
        page = await at.at.ana.open(ACCOUNT if where == ACCOUNT else PAGE)
        (form,) = [
            form for form in page.forms if form.action == where and form.fields.get("what", "account") == "account"
        ]
        page = await at.at.ana.post(where, form.fields)
        assert "That account is disconnected, and its permission was taken back where it came from." in page.text
        assert at.tracker.revoked == ["refresh-1-ana", "access-1-ana"]
        assert "you have not connected your account there" in await at.called(key)
        assert (await at.at.ana.post(where, form.fields)).status == 404
        # And it can be connected again.
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert "I am ana." in await at.called(key)


async def test_an_account_is_gone_here_whatever_the_authorization_server_does(tmp_path):
    async with scene(tmp_path, revokes=False) as at:
        key = await at.key("ana@example.com")
        for told in ("could not be taken back where it came from", "permission is taken back by hand"):
            await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
            page = await at.at.ana.open(PAGE)
            page = await at.at.ana.submit(page, f"{PAGE}/disconnect")
            assert told in page.text
            assert "you have not connected your account there" in await at.called(key)
            at.tracker.said = {"revocation_endpoint": None}


async def test_with_the_last_account_goes_who_the_gateway_was_there_so_that_connecting_registers_anew(tmp_path):
    async with scene(tmp_path) as at:
        ben, _ = await at.at.member("ben@example.com", "research")
        for browser in (ben, at.at.ana):
            await browser.open(at.tracker.visit(await left(browser)))
        # The authorization server has lost its clients, which its log-in page alone will tell.
        assert at.tracker.clients.pop("client-1") == "none"
        for browser, now in ((ben, "client-1"), (at.at.ana, "client-2")):
            await browser.submit(await browser.open(PAGE), f"{PAGE}/disconnect")
            assert f"client_id={now}&" in await left(browser)
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert "I am ana." in await at.called(await at.key("ana@example.com"))


async def test_a_client_that_cannot_be_forgotten_keeps_no_account(tmp_path, monkeypatch):
    async with scene(tmp_path) as at:
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        page = await at.at.ana.open(PAGE)

        async def unavailable(*_: str) -> None:
            raise StoreUnavailable("The store does not answer.")

        monkeypatch.setattr(KeptClients, "forget", unavailable)
        page = await at.at.ana.submit(page, f"{PAGE}/disconnect")
        assert "That account is disconnected" in page.text


async def test_nobody_disconnects_what_is_not_theirs_from_a_page(tmp_path):
    async with scene(tmp_path) as at:
        eve, _ = await at.at.member("eve@example.com", "research")
        key = await at.key("ana@example.com")
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        page = await at.at.ana.open(ACCOUNT)
        theirs = next(form.fields for form in page.forms if form.fields.get("what") == "account")
        own = (await eve.open(ACCOUNT)).form("/oauth/signout").fields["csrf"]
        assert (await eve.post(ACCOUNT, {**theirs, "csrf": own})).status == 404
        assert (await eve.post(f"{PAGE}/disconnect", {"csrf": own})).status == 404
        assert (await eve.post(f"{PAGE}/disconnect", {"csrf": own}, origin="https://evil.example")).status == 403
        assert "I am ana." in await at.called(key)


async def test_an_administrator_sees_every_account_and_never_a_token_and_takes_them_away(tmp_path):
    async with scene(tmp_path) as at:
        ben, member = await at.at.member("ben@example.com", "research")
        await ben.open(at.tracker.visit(await left(ben), "ben"))
        admin = await admin_key(at.gw)
        listed = await ask(at.gw, admin, "GET", "/connections?server=tracker&member=ben@example.com")
        (told,) = listed.json()["connections"]
        assert (told["server"], told["holder"], told["state"]) == (
            "tracker", {"granularity": "user", "id": member.id, "name": "ben@example.com"}, "ok",
        )  # fmt: skip
        assert not [word for word in ("access-1", "refresh-1", "sealed", "client_id") if word in listed.text]
        for query in ("?server=linear", "?member=ana@example.com", "?workspace=research", "?member=nobody@example.com"):
            assert (await ask(at.gw, admin, "GET", f"/connections{query}")).json() == {"connections": []}
        assert (await ask(at.gw, admin, "GET", "/connections?server=nothing")).status_code == 422
        # An admin of the workspace has no say in what is a member's own.
        await at.at.member("boss@example.com")
        roles = {"workspaces": {"research": "admin"}}
        assert (await ask(at.gw, admin, "PATCH", "/members/boss@example.com", roles)).status_code == 200
        boss = await at.gw.admin.people.by_email("boss@example.com")
        assert boss is not None
        _, token = await granted(at.gw, boss.id)
        assert (await ask(at.gw, token, "GET", "/connections")).json() == {"connections": []}
        assert (await ask(at.gw, token, "DELETE", "/connections/tracker/ben@example.com")).status_code == 404
        gone = await ask(at.gw, admin, "DELETE", "/connections/tracker/ben@example.com")
        assert (gone.status_code, gone.json()) == (200, {"at_provider": "revoked"})
        assert at.tracker.revoked == ["refresh-1-ben", "access-1-ben"]
        assert (await ask(at.gw, admin, "DELETE", "/connections/tracker/ben@example.com")).status_code == 404


async def test_ones_own_accounts_are_ones_own_in_the_api_too(tmp_path):
    async with scene(tmp_path) as at:
        ben, member = await at.at.member("ben@example.com", "research")
        for browser, who in ((ben, "ben"), (at.at.ana, "ana")):
            await browser.open(at.tracker.visit(await left(browser), who))
        _, token = await granted(at.gw, member.id)
        mine = (await ask(at.gw, token, "GET", "/me/connections")).json()["connections"]
        assert [one["holder"]["id"] for one in mine] == [member.id]
        gone = await ask(at.gw, token, "DELETE", "/me/connections/tracker")
        assert gone.json() == {"at_provider": "revoked"}
        assert at.tracker.revoked == ["refresh-1-ben", "access-1-ben"]
        assert "I am ana." in await at.called(await at.key("ana@example.com"))


async def items(at: Scene, *wanted: Key) -> list[bool]:
    return [item is not None for item in await at.gw.table.get_many(wanted)]


async def test_with_a_member_go_their_accounts(tmp_path):
    async with scene(tmp_path) as at:
        ben, member = await at.at.member("ben@example.com", "research")
        await ben.open(at.tracker.visit(await left(ben), "ben"))
        server = await server_of(at.gw, "tracker")
        wanted = [keys.connection(server.id, member.id), keys.member_connection(member.id, server.id)]
        assert await items(at, *wanted) == [True, True]
        assert (await ask(at.gw, await admin_key(at.gw), "DELETE", f"/members/{member.id}")).status_code == 204
        assert await items(at, *wanted) == [False, False]


async def test_with_a_server_go_its_accounts_and_who_the_gateway_was_there(tmp_path):
    async with scene(tmp_path) as at:
        member = await at.gw.admin.people.by_email("ana@example.com")
        assert member is not None
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        server = await server_of(at.gw, "tracker")
        kept = [server.slug for server in (stored.record for stored in (await at.gw.admin.state()).servers.values())]
        wanted = [keys.connection(server.id, member.id), keys.member_connection(member.id, server.id)]
        assert await items(at, *wanted) == [True, True]
        assert (await at.gw.table.query(keys.server_clients(server.id))).items
        linear = {"slug": "linear", "url": "http://127.0.0.1:9/mcp", "workspaces": ["research"]}
        workspaces = [{"slug": "research", "name": "Research"}, {"slug": "sales"}]
        await at.gw.apply({"workspaces": workspaces, "servers": [linear]}, prune=True)
        assert "tracker" in kept
        assert await items(at, *wanted) == [False, False]
        for partition in (keys.server_connections(server.id), keys.server_clients(server.id)):
            assert not (await at.gw.table.query(partition)).items


async def test_with_a_workspace_go_its_account_and_the_key_that_sealed_it(tmp_path):
    async with scene(tmp_path, {"granularity": "workspace"}) as at:
        await at.set_up({"granularity": "workspace"}, workspaces="all")
        place, server = await workspace_id(at.gw, "sales"), await server_of(at.gw, "tracker")
        for slug in ("sales", "research"):
            page = f"/connect/{slug}/tracker"
            await at.at.ana.open(at.tracker.visit(await left(at.at.ana, page)))
        wanted = [keys.connection(server.id, place), keys.data_key(place)]
        assert await items(at, *wanted) == [True, True]
        tracker = {"slug": "tracker", "name": "Tracker", "url": f"{at.tracker.url}/mcp", "workspaces": "all"}
        auth = {"type": "oauth", "granularity": "workspace"}
        config = {"workspaces": [{"slug": "research", "name": "Research"}], "servers": [{**tracker, "auth": auth}]}
        await at.gw.apply(config, prune=True)
        assert await items(at, *wanted) == [False, False]
        assert "I am ana." in await at.called(at.gw.key)


async def test_the_command_line_opens_the_page_and_lists_and_takes_accounts_away(desk: Desk):
    async with tracker(callback=f"{desk.url}/oauth/upstream-callback") as server:
        key = ("--url", desk.url, "--key", (desk.data / "admin.key").read_text().strip())
        entry = f"{{slug: tracker, url: '{server.url}/mcp', workspaces: [demo-team], auth: {{type: oauth}}}}"
        (desk.data / "tracker.yaml").write_text(f"servers: [{entry}]")
        desk.told("apply", "-f", str(desk.data / "tracker.yaml"), *key)
        async with joined(desk, "connects@example.com", "--workspace", "demo-team=member") as browser:
            await logged_in(desk, browser)
            path = "/connect/demo-team/tracker"
            assert desk.told("connect", "tracker", "--no-browser") == f"{desk.url}{path}\n"
            chosen = ("tracker", "--workspace", "demo-team", "--no-browser")
            assert desk.told("connect", *chosen) == desk.told("connect", *chosen, *key) == f"{desk.url}{path}\n"
            said = desk.refused("connect", "demo", "--no-browser")
            assert said.startswith("demo is used without an account that people connect (its auth is of type none)")
            assert "There is no workspace 'x' (there is: demo-team)." in desk.refused(
                "connect", "tracker", "--workspace", "x"
            )
            assert "There is no server 'nothing'" in desk.refused(
                "connect", "nothing", "--workspace", "demo-team", *key
            )
            assert "There is no server 'nothing' that you can use." in desk.refused("connect", "nothing")
            assert "--workspace" in desk.refused("connect", "tracker", *key)
            assert (await browser.open(server.visit(await left(browser, path)))).status == 200
            listed = desk.told("connections", "list", "--member", "self")
            assert listed.splitlines()[1].split()[:4] == ["tracker", "connects@example.com", "-", "ok"]
            assert desk.told("connections", "list", "--server", "tracker", *key) == listed
            assert "gatehouse connections list --member self" in desk.refused("connections", "list")
            told = "Disconnected. Its permission was taken back where it came from, too.\n"
            # Beside this test, in which the authorization server runs.
            assert await asyncio.to_thread(desk.told, "connections", "disconnect", "tracker") == told
            assert server.revoked == ["refresh-1-ana", "access-1-ana"]
            await browser.open(server.visit(await left(browser, path)))
            assert "connections list" in desk.refused("connections", "disconnect", "tracker", "org", *key)
            theirs = ("connections", "disconnect", "tracker", "connects@example.com")
            assert await asyncio.to_thread(desk.told, *theirs, *key) == told
            assert "You have connected no account" in desk.refused("connections", "disconnect", "tracker")
