"""What a member may give to an app, and what somebody without reach is told: nothing about what is there."""

import pytest

from gateway_core.registry.members import Roles
from tests.flows.browsers import PUBLIC, Browser, Page, Stage, invited, register, sign_in_as, stage

LINEAR = {"slug": "linear", "name": "Linear", "url": "http://127.0.0.1:9/mcp"}


async def asked(at: Stage, browser: Browser, resource: str | None) -> Page:
    client = await register(at.ana.http)
    return await browser.open(client.url(resource))


def reached(page: Page) -> str:
    return page.text.partition("Will reach ")[2].partition(" As ")[0]


async def test_a_request_for_nothing_in_particular_lets_the_person_choose_among_their_workspaces(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        page = await at.ana.open(client.url(None))
        assert (
            "In which workspace? Research GitHub , Linear sales no server yet; those that are added later" in page.text
        )
        research = (await at.gw.admin.state()).workspaces["research"].record
        back = await at.ana.submit(page, "/authorize", "allow", workspace=research.id)
        told = (await client.redeem(at.ana.http, back.parameters["code"])).json()
        assert told["access_token"].startswith(f"gha_{research.id}_")
        assert f"Research : {PUBLIC}/research/mcp" in (await at.ana.open("/oauth/account")).text


async def test_nothing_is_given_before_a_workspace_is_chosen(tmp_path):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http)
        page = await at.ana.open(client.url(None))
        for chosen in ({}, {"workspace": ""}, {"workspace": "ws-22222222"}, {"workspace": "research"}):
            answer = await at.ana.submit(page, "/authorize", "allow", **chosen)
            assert answer.status == 400
            assert "Choose one of your workspaces" in answer.text


async def test_who_belongs_to_one_workspace_is_not_asked_which(tmp_path):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        page = await asked(at, ben, None)
        assert reached(page) == "Every server in Research : GitHub , Linear"
        assert "sales" not in page.text
        assert (await ben.submit(page, "/authorize", "allow")).parameters["code"]


async def test_nobody_chooses_a_workspace_that_is_not_theirs(tmp_path):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        page = await asked(at, ben, None)
        sales = (await at.gw.admin.state()).workspaces["sales"].record
        refused = await ben.submit(page, "/authorize", "allow", workspace=sales.id)
        assert refused.status == 400


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/research/linear/mcp", "Linear in Research"),
        ("/research/linear/sse", "Linear in Research"),
        ("/linear/mcp", "Linear in Research"),
        ("/research/mcp", "Every server in Research : GitHub , Linear"),
    ],
)
async def test_the_url_that_a_person_added_says_what_the_app_will_reach(tmp_path, path, said):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        page = await asked(at, ben, PUBLIC + path)
        assert reached(page) == said
        assert (await ben.submit(page, "/authorize", "allow")).parameters["code"]


async def test_a_server_of_several_workspaces_is_used_in_the_one_that_the_person_chooses(tmp_path):
    async with stage(tmp_path) as at:
        await at.gw.apply({"servers": [{**LINEAR, "workspaces": ["research", "sales"]}]})
        page = await asked(at, at.ana, f"{PUBLIC}/linear/mcp")
        assert reached(page) == "Linear in the workspace you choose"
        assert len(page.form("/authorize").choices) == 2


NOTHING = (
    "/sales/linear/mcp",
    "/sales/mcp",
    "/sales/sse",
    "/nowhere/linear/mcp",
    "/nowhere/mcp",
    "/hidden/mcp",
    "/sales/hidden/mcp",
)


@pytest.mark.parametrize("path", NOTHING)
async def test_what_a_member_does_not_reach_has_the_words_of_what_is_not_there(tmp_path, path):
    async with stage(tmp_path) as at:
        await at.gw.apply({"servers": [{"slug": "hidden", "url": "http://127.0.0.1:9/mcp", "workspaces": ["sales"]}]})
        ben, _ = await at.member("ben@example.com", "research")
        page = await asked(at, ben, PUBLIC + path)
        assert page.status == 400
        expected = f"There is nothing at {PUBLIC}{path} that ben@example.com can use."
        assert expected in page.text
        # A client on the person's own computer prints it to them; the code is one for all that they do not reach.
        back = await ben.submit(page, "/authorize", "return")
        assert back.parameters["error"] == "access_denied"
        assert back.parameters["error_description"].startswith(expected)


@pytest.mark.parametrize("slug", ["hidden", "nowhere"])
async def test_in_ones_own_workspace_one_is_told_whom_to_ask_whether_the_server_is_elsewhere_or_nowhere(tmp_path, slug):
    async with stage(tmp_path) as at:
        await at.gw.apply({"servers": [{"slug": "hidden", "url": "http://127.0.0.1:9/mcp", "workspaces": ["sales"]}]})
        ben, _ = await at.member("ben@example.com", "research")
        page = await asked(at, ben, f"{PUBLIC}/research/{slug}/mcp")
        told = f"You are signed in as ben@example.com, which has no access to {slug} in Research. Ask an administrator"
        assert told in page.text
        back = await ben.submit(page, "/authorize", "return")
        assert back.parameters["error"] == "access_denied"
        assert back.parameters["error_description"].startswith(told)


@pytest.mark.parametrize("role", ["owner", "admin"])
@pytest.mark.parametrize("slug", ["hidden", "nowhere"])
async def test_who_could_add_a_server_is_told_that_there_is_none_and_how_to_add_it(tmp_path, slug, role):
    async with stage(tmp_path) as at:
        await at.gw.apply({"servers": [{"slug": "hidden", "url": "http://127.0.0.1:9/mcp", "workspaces": ["sales"]}]})
        boss = at.browser()
        await sign_in_as(at.gw, boss, await invited(at.gw, "boss@example.com", organisation=role))
        page = await asked(at, boss, f"{PUBLIC}/research/{slug}/mcp")
        told = (
            f"There is no server {slug} in Research. Check the URL, "
            "or add the server with 'gatehouse apply', with research among its workspaces."
        )
        assert page.status == 400
        assert told in page.text
        assert "access" not in page.text
        back = await boss.submit(page, "/authorize", "return")
        assert (back.parameters["error"], back.parameters["error_description"]) == ("access_denied", told)


@pytest.mark.parametrize("role", ["admin", "manager"])
async def test_a_role_in_the_workspace_alone_adds_no_server_and_so_learns_of_none(tmp_path, role):
    async with stage(tmp_path) as at:
        research = (await at.gw.admin.state()).workspaces["research"].record.id
        people = at.gw.oauth.desk.sign_in.invitations.people
        ben, browser = (
            await people.add("ben@example.com", given=Roles("auditor", {research: role}), by="x"),
            at.browser(),
        )
        await sign_in_as(at.gw, browser, ben)
        page = await asked(at, browser, f"{PUBLIC}/research/nowhere/mcp")
        assert "which has no access to nowhere in Research. Ask an administrator" in page.text


@pytest.mark.parametrize("redirect", ["https://app.example/callback", "com.example.app:/callback"])
async def test_an_app_elsewhere_that_was_allowed_nothing_learns_nothing_of_the_person_not_even_where_they_belong(
    tmp_path, redirect
):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        eve, _ = await at.member("eve@example.com")
        client, told = await register(at.ana.http, redirect_uri=redirect), []
        for browser, path in (
            (ben, "/research/nowhere/mcp"), (ben, "/sales/linear/mcp"), (ben, "/nowhere/mcp"), (ben, "/research/sse"),
            (eve, "/research/linear/mcp"), (eve, ""),
        ):  # fmt: skip
            page = await browser.open(client.url(PUBLIC + path if path else None))
            assert "@example.com" in page.text.partition("Returns to")[0], "the person is told all of it"
            back = await browser.submit(page, "/authorize", "return")
            assert back.url.startswith(redirect)
            told.append({name: back.parameters[name] for name in ("error", "error_description")})
        assert told == [told[0]] * 6
        assert told[0]["error"] == "access_denied"
        assert not any(word in told[0]["error_description"] for word in ("example.com", "esearch", "sales", "nowhere"))


async def test_who_belongs_nowhere_is_told_so(tmp_path):
    async with stage(tmp_path) as at:
        eve, _ = await at.member("eve@example.com")
        page = await asked(at, eve, None)
        assert "which belongs to no workspace yet" in page.text


async def test_reach_that_ended_while_the_page_lay_open_is_not_given(tmp_path):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        page = await asked(at, ben, f"{PUBLIC}/research/linear/mcp")
        await at.gw.apply({"servers": [{**LINEAR, "workspaces": ["sales"]}]})
        back = await ben.submit(page, "/authorize", "allow")
        assert back.parameters["error"] == "access_denied"
        assert "code" not in back.parameters


async def test_a_workspace_with_many_servers_names_a_dozen_and_counts_the_others(tmp_path):
    async with stage(tmp_path) as at:
        many = [{"slug": f"s{n:02}", "url": "http://127.0.0.1:9/mcp", "workspaces": ["research"]} for n in range(30)]
        await at.gw.apply({"servers": many})
        ben, _ = await at.member("ben@example.com", "research")
        assert reached(await asked(at, ben, None)).endswith("s09 and 20 more")
