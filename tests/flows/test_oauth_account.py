"""One's own access: what a person can use and where, what they let in and until when; never what is not theirs."""

import re
from html import unescape

import pytest

from gateway_core.issuer.clients import COMMAND_LINE
from tests.flows.browsers import PUBLIC, Browser, OAuthClient, Page, Stage, invited, register, sign_in_as, stage

CLOSED = {"slug": "ledger", "name": "Ledger", "url": "http://127.0.0.1:9/mcp", "workspaces": ["sales"]}


def usable(page: Page) -> str:
    return page.text.partition("What you can use ")[2].partition(" Apps you let in")[0]


def urls(page: Page) -> list[str]:
    """Those that can be copied, as they are on the page."""
    return [unescape(url) for url in re.findall(r"<dd><code>([^<]*)</code></dd>", page.response.text)]


async def account(browser: Browser) -> Page:
    return await browser.open("/oauth/account")


async def test_a_member_finds_each_server_of_their_workspaces_with_a_url_that_answers(tmp_path):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        page = await account(ben)
        assert "Organisation role member" in page.text
        assert "Research Your role here: member GitHub" in usable(page)
        assert urls(page) == [f"{PUBLIC}/research/github/mcp", f"{PUBLIC}/research/linear/mcp"]
        for url in urls(page):
            answer = await at.gw.http.get(at.gw.url + url.removeprefix(PUBLIC), headers={"accept": "text/html"})
            assert f"mcp add --transport http {url.split('/')[-2]} {url}" in answer.text


async def test_nothing_is_shown_of_a_workspace_that_the_person_does_not_reach(tmp_path):
    async with stage(tmp_path) as at:
        await at.gw.apply({"servers": [CLOSED]})
        ben, _ = await at.member("ben@example.com", "research")
        told = (await account(ben)).response.text.casefold()
        assert not any(word in told for word in ("sales", "ledger"))
        assert f"{PUBLIC}/sales/ledger/mcp" in urls(await account(at.ana))


async def test_who_runs_the_organisation_sees_every_workspace_and_by_which_right(tmp_path):
    async with stage(tmp_path) as at:
        page = await account(at.ana)
        assert "Organisation role owner" in page.text
        own = "Your role here: owner of the organisation"
        assert f"Research {own} GitHub" in usable(page)
        assert f"sales {own} It has no server yet." in usable(page)


async def test_what_is_taken_away_is_gone_from_the_page_at_once(tmp_path):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        await at.gw.apply({"servers": [{"slug": "linear", "url": "http://127.0.0.1:9/mcp", "workspaces": ["sales"]}]})
        assert urls(await account(ben)) == [f"{PUBLIC}/research/github/mcp"]


@pytest.mark.parametrize("role", ["member", "auditor"])
async def test_who_belongs_to_no_workspace_is_told_so_and_whom_to_ask(tmp_path, role):
    async with stage(tmp_path) as at:
        eve = at.browser()
        await sign_in_as(at.gw, eve, await invited(at.gw, "eve@example.com", organisation=role))
        page = await account(eve)
        assert "you belong to no workspace yet. Ask an administrator of the organisation for one." in usable(page)
        assert urls(page) == []


async def test_who_may_is_told_how_to_make_the_first_workspace(tmp_path):
    async with stage(tmp_path) as at:
        await at.gw.apply({"workspaces": [], "servers": []}, prune=True)
        assert usable(await account(at.ana)) == "There is no workspace yet. Make one with gatehouse apply ."


async def test_three_hundred_servers_are_listed_all_workspaces_together_and_the_others_counted(tmp_path):
    async with stage(tmp_path) as at:
        many = [{"slug": f"s{n:03}", "url": "http://127.0.0.1:9/mcp", "workspaces": "all"} for n in range(150)]
        await at.gw.apply({"servers": many, "workspaces": [{"slug": "team"}]})
        page = await account(at.ana)
        assert len(urls(page)) == 300
        research, sales, team = usable(page).split("Your role here: owner of the organisation")[1:]
        assert research.count("/mcp") == 152
        assert "And 2 more." in sales
        assert team == " 150 servers, which have no room here."
        (other,) = await at.gw.admin.people.everyone()
        ben, _ = await at.member("ben@example.com", "sales", "team")
        assert other.email == "ana@example.com"
        assert len(urls(await account(ben))) == 300
        assert "more" not in usable(await account(ben))


async def test_a_hundred_workspaces_are_listed_and_the_others_counted(tmp_path):
    async with stage(tmp_path) as at:
        await at.gw.apply({"workspaces": [{"slug": f"w{n:03}"} for n in range(101)]})
        page = await account(at.ana)
        assert usable(page).count("Your role here") == 100
        assert usable(page).endswith("And 3 more workspaces.")


async def test_names_of_others_are_shown_as_text(tmp_path):
    async with stage(tmp_path) as at:
        evil = {"slug": "linear", "name": "<img src=x>\u202eLinear", "url": "http://127.0.0.1:9/mcp"}
        await at.gw.apply({"servers": [{**evil, "workspaces": ["research"]}]})
        page = await account(at.ana)
        assert "&lt;img src=x&gt;⟨U+202E⟩Linear" in page.response.text
        assert "<img src=x>" not in page.response.text


async def let_in(at: Stage, client: OAuthClient, resource: str) -> dict[str, str]:
    back = await at.ana.submit(await at.ana.open(client.url(resource)), "/authorize", "allow")
    told: dict[str, str] = (await client.redeem(at.ana.http, back.parameters["code"])).json()
    return told


async def test_the_command_line_of_the_gateway_is_listed_by_name_and_what_it_reaches_in_words(tmp_path):
    async with stage(tmp_path) as at:
        await let_in(at, OAuthClient(COMMAND_LINE.id, "http://127.0.0.1:3000/callback"), f"{PUBLIC}/api/v1")
        page = await account(at.ana)
        assert "Gatehouse command line the command line of this gateway" in page.text
        assert "Reaches Administration of this gateway, as far as your own roles go Returns to" in page.text
        assert "/api/v1" not in page.text


async def test_each_app_says_until_when_it_is_in_as_the_page_did_that_let_it_in_however_often_it_came_back(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        resource = f"{PUBLIC}/research/linear/mcp"
        asked = (await at.ana.open(client.url(resource))).text
        ends = re.search(r"at the latest on \d+ \w+ \d{4}, or after 30 days without use\.", asked)
        assert ends is not None, asked
        token = await let_in(at, client, resource)
        assert f"Reaches Research : {resource}" in (await account(at.ana)).text
        at.gw.clock[0] += 20 * 86_400
        assert (await client.refresh(at.ana.http, token["refresh_token"])).status_code == 200
        ana = await at.gw.oauth.desk.sign_in.invitations.people.by_email("ana@example.com")
        assert ana is not None
        await sign_in_as(at.gw, at.ana, ana)
        page = await account(at.ana)
        assert f"Until You end it here; {ends[0]}" in page.text
