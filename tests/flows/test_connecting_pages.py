"""Who may connect an account, and what the page tells them before they do."""

import pytest

from gateway_core.upstream.holders import Holder
from tests.flows.test_connecting import kept
from tests.flows.tracker import CALLBACK, PAGE, left, scene


async def test_an_account_for_everybody_is_connected_by_who_administers_them_and_the_page_says_for_whom(tmp_path):
    async with scene(tmp_path, {"granularity": "workspace"}) as at:
        ben, _ = await at.at.member("ben@example.com", "research")
        keys_of = [await at.key("ben@example.com"), at.gw.key]
        page = await ben.open(PAGE)
        assert page.status == 403
        assert (
            "Tracker is used with one account for the workspace Research. An owner or admin of the organisation, or an "
            "admin of the workspace Research, can connect it, at this same address."
        ) in page.text
        assert not [form for form in page.forms if form.action.startswith("/connect")]
        page = await at.at.ana.open(PAGE)
        assert "Everyone in workspace Research will act as this account." in page.text
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana), "robot"))
        for key in keys_of:
            assert "I am robot." in await at.called(key)
        await at.set_up({"granularity": "organisation"})
        assert "Everyone in My organisation will act as this account." in (await at.at.ana.open(PAGE)).text
        # Ben does not get there by posting, either.
        page = await ben.open("/oauth/account")
        csrf = page.form("/oauth/signout").fields["csrf"]
        for path in (PAGE, f"{PAGE}/disconnect"):
            assert (await ben.post(path, {"csrf": csrf, "found": "x"})).status == 403


async def test_who_may_not_connect_any_more_when_they_come_back_connects_nothing(tmp_path):
    async with scene(tmp_path) as at:
        ben, member = await at.at.member("ben@example.com", "research")
        back = at.tracker.visit(await left(ben), "ben")
        await at.set_up(workspaces=["sales"])
        assert (await ben.open(back)).status == 404
        await at.set_up()
        back = at.tracker.visit(await left(ben), "ben")
        await at.set_up({"granularity": "workspace"})
        assert (await ben.open(back)).status == 403
        await at.set_up()
        back = at.tracker.visit(await left(ben), "ben")
        await at.set_up(url=f"{at.tracker.url.replace('127.0.0.1', 'localhost')}/mcp")
        assert "was changed meanwhile" in (await ben.open(back)).text
        assert at.tracker.forms == []
        assert await kept(at, Holder("user", member.id)) is None


@pytest.mark.parametrize("path", ["/connect/sales/tracker", "/connect/research/nowhere", "/connect/nowhere/tracker"])
async def test_what_somebody_cannot_reach_is_not_there(tmp_path, path):
    async with scene(tmp_path) as at:
        ben, _ = await at.at.member("ben@example.com", "research")
        page = await ben.open(path)
        assert (page.status, "There is no server at this address that ben@example.com can use." in page.text) == (
            404,
            True,
        )


async def test_a_server_without_accounts_has_nothing_to_connect(tmp_path):
    async with scene(tmp_path) as at:
        page = await at.at.ana.open("/connect/research/linear")
        assert (page.status, "Linear is used without an account that people connect" in page.text) == (400, True)


async def test_the_page_says_why_where_nobody_can_log_in_and_never_sends_a_browser_to_a_program(tmp_path):
    async with scene(tmp_path) as at:
        # The a of the last one is Cyrillic: nobody could tell it from the bank that they know.
        lookalike = "https://b\u0430nk.example/authorize"
        for address in ("javascript:alert(1)", "file:///etc/passwd", "http://evil.example/authorize", "a:b", lookalike):
            at.tracker.said = {"authorization_endpoint": address}
            page = await at.at.ana.open(PAGE)
            assert (page.status, "Tracker" in page.text) == (400, True)
            assert "authorization_endpoint" in page.text
            assert not [form for form in page.forms if form.action.startswith("/connect")]
            assert f'href="{address}' not in page.response.text
        at.tracker.said = {"registration_endpoint": None}
        page = await at.at.ana.open(PAGE)
        page = await at.at.ana.submit(page, PAGE)
        assert (page.status, f"with the redirect URI {CALLBACK}" in page.text) == (400, True)


async def test_a_log_in_at_another_place_than_the_issuer_is_pointed_out(tmp_path):
    async with scene(tmp_path) as at:
        at.tracker.said = {"authorization_endpoint": "https://login.bank.example/authorize?tenant=7&state=theirs"}
        page = await at.at.ana.open(PAGE)
        assert "You will log in at login.bank.example, for 127.0.0.1" in page.text
        sent = await at.at.ana.submit(page, PAGE)
        assert sent.url.startswith("https://login.bank.example/authorize?tenant=7&response_type=code&")
        # Ours, and once.
        assert sent.url.count("state=") == 1
        assert "theirs" not in sent.url


async def test_what_was_shown_is_what_is_done(tmp_path):
    async with scene(tmp_path) as at:
        page = await at.at.ana.open(PAGE)
        at.tracker.said = {"authorization_endpoint": "https://evil.example/authorize"}
        assert (await at.at.ana.submit(page, PAGE)).url.startswith(f"{at.tracker.url}/authorize?")
        page = await at.at.ana.open(PAGE)
        await at.set_up(url=f"{at.tracker.url}/other")
        assert "Tracker was changed meanwhile" in (await at.at.ana.submit(page, PAGE)).text


async def test_the_form_counts_only_from_our_own_page_of_the_same_session(tmp_path):
    async with scene(tmp_path) as at:
        ben, _ = await at.at.member("ben@example.com", "research")
        fields = (await at.at.ana.open(PAGE)).form(PAGE).fields
        bens = (await ben.open(PAGE)).form(PAGE).fields
        wrong = [
            (fields, {"origin": "https://evil.example"}, 403),
            ({**fields, "csrf": ""}, {}, 400),
            ({**fields, "csrf": bens["csrf"]}, {}, 400),
            ({**fields, "found": bens["found"]}, {}, 400),
        ]
        for sent, headers, status in wrong:
            page = await at.at.ana.post(PAGE, sent, **headers)
            assert (page.status, page.url) == (status, f"http://127.0.0.1:8787{PAGE}"), page.text
        assert at.tracker.registrations == []
