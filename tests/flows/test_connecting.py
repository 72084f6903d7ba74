"""Connecting an account, from the refusal of a call to the call that goes through: whose, as what, and what is said."""

import base64
import json
import logging
import re

import pytest

from gateway_core.connect.attempts import BEGUN_S, MAX_AT_ONCE
from gateway_core.upstream.connections import Connection
from gateway_core.upstream.holders import Holder
from tests.flows.token_servers import connections_of, server_of
from tests.flows.tracker import PAGE, Scene, left, scene

LINK = re.compile(r"http://127\.0\.0\.1:8787(/connect/[^\s\"\\]+)")


async def kept(at: Scene, holder: Holder) -> Connection | None:
    return await connections_of(at.gw).get((await server_of(at.gw, "tracker")).id, holder)


async def test_from_a_refused_call_over_the_log_in_there_to_the_same_call_that_goes_through(tmp_path):
    async with scene(tmp_path) as at:
        browser, ben = await at.at.member("ben@example.com", "research")
        key = await at.key("ben@example.com")
        found = LINK.search(await at.called(key))
        assert found is not None
        page = await browser.open(found[1])
        for shown in ("Connect Tracker ?", f"Tracker , at {at.tracker.url[7:]}", "My organisation", "Asks for read"):
            assert shown in page.text, page.text
        assert f"Continue to {at.tracker.url[7:]}" in page.text
        assert "Signed in as ben@example.com" in page.text
        page = await browser.open(at.tracker.visit(await left(browser, found[1]), "ben"))
        assert (page.status, page.url.partition("?")[0]) == (200, "http://127.0.0.1:8787/oauth/connected")
        assert (
            "Tracker is connected Go back to flow and continue there; if it does not go on by itself, ask for the same "
            "once more."
        ) in page.text
        assert at.tracker.tokens.keys() >= {"access-1-ben", "refresh-1-ben"}
        assert "I am ben." in await at.called(key)
        made = await kept(at, Holder("user", ben.id))
        assert made is not None
        assert (made.scopes, made.asked, made.resource, made.connected_by) == (
            ("read",), ("read",), f"{at.tracker.url}/mcp", "ben@example.com",
        )  # fmt: skip


async def test_the_page_is_for_signing_in_first_and_comes_back_to_where_it_led(tmp_path):
    async with scene(tmp_path) as at:
        browser = at.at.browser()
        found = LINK.search(await at.called(await at.key("ana@example.com")))
        assert found is not None
        for path in (found[1], PAGE):
            page = await browser.open(path)
            assert page.parameters == {"next": path}
            assert page.form("/oauth/signin").fields["next"] == path


@pytest.mark.parametrize(("looks", "told"), [("eve", "another member"), ("ana", "bo@example.com")])
async def test_a_link_that_was_made_for_somebody_else_connects_nothing_and_says_so(tmp_path, looks, told):
    async with scene(tmp_path) as at:
        await at.at.member("bo@example.com", "research")
        eve, _ = await at.at.member("eve@example.com", "research")
        found = LINK.search(await at.called(await at.key("bo@example.com")))
        assert found is not None
        page = await (at.at.ana if looks == "ana" else eve).open(found[1])
        assert page.status == 403
        assert f"It was made for {told} , to connect an account of theirs." in page.text.replace("member,", "member ,")
        assert not [form for form in page.forms if form.action.startswith("/connect")]
        # The link itself tells nobody anything.
        link = base64.urlsafe_b64decode(found[1].rpartition("/")[2] + "==")
        assert b"bo@" not in link
        assert at.tracker.asked == []


async def test_a_link_is_good_for_ten_minutes_and_no_other_one_is(tmp_path):
    async with scene(tmp_path) as at:
        found = LINK.search(await at.called(await at.key("ana@example.com")))
        assert found is not None
        for path in (found[1][:-3] + "AAA", "/connect/nothing", "/connect/" + "a" * 2_000):
            page = await at.at.ana.open(path)
            assert (page.status, "This link has expired, or is none of this gateway." in page.text) == (400, True)
        at.gw.clock[0] += 600
        assert (await at.at.ana.open(found[1])).status == 400


async def test_what_comes_back_in_another_browser_or_as_another_person_connects_nothing(tmp_path):
    async with scene(tmp_path) as at:
        ben, member = await at.at.member("ben@example.com", "research")
        eve, _ = await at.at.member("eve@example.com", "research")
        back = at.tracker.visit(await left(ben), "ben")
        for browser in (eve, at.at.browser(), at.at.ana):
            page = await browser.open(back)
            assert (page.status, "nothing was connected" in page.text.lower()) == (400, True)
        # Who logged in there may be somebody else than who began it, so it is good for nobody any more.
        assert (await ben.open(back)).status == 400
        assert at.tracker.forms == []
        for browser in (eve, at.at.browser()):
            spoilt = at.tracker.visit(await left(ben), "ben")
            assert (await browser.open(spoilt)).status == 400
            assert (await ben.open(spoilt)).status == 400
        # An answer that is none of ours spoils nothing.
        back = at.tracker.visit(await left(ben), "ben")
        assert (await eve.open(at.tracker.visit(await left(eve), "eve", state="A" * 43))).status == 400
        assert (await ben.open(back)).status == 200
        assert await kept(at, Holder("user", member.id)) is not None


async def test_an_answer_counts_once_and_for_ten_minutes(tmp_path):
    async with scene(tmp_path) as at:
        back = at.tracker.visit(await left(at.at.ana))
        assert (await at.at.ana.open(back)).status == 200
        page = await at.at.ana.open(back)
        assert (page.status, "is finished already" in page.text) == (400, True)
        late = at.tracker.visit(await left(at.at.ana))
        at.gw.clock[0] += BEGUN_S
        assert (await at.at.ana.open(late)).status == 400
        assert len(at.tracker.forms) == 1


ISSUERS = [
    # Advertised, and what comes; see 2026-07-28 authorization, Authorization Response Validation.
    (True, {}, True),
    (True, {"iss": ""}, False),
    (True, {"iss": "https://evil.example"}, False),
    (True, {"iss": "{url}/"}, False),
    (True, {"iss": "{URL}"}, False),
    (False, {}, True),
    (False, {"iss": "{url}"}, True),
    (False, {"iss": "https://evil.example"}, False),
    (False, {"iss": "{url}/"}, False),
]


@pytest.mark.parametrize(("advertised", "changed", "taken"), ISSUERS)
@pytest.mark.parametrize("error", ["", "server_error"])
async def test_only_an_answer_of_the_issuer_that_was_asked_is_believed(tmp_path, advertised, changed, taken, error):
    async with scene(tmp_path, names_issuer=advertised) as at:
        url = at.tracker.url
        changed = {name: value.format(url=url, URL=url.replace("http", "HTTP")) for name, value in changed.items()}
        told = {"error_description": "Call 555 and say your password"} if error else {}
        page = await at.at.ana.open(at.tracker.visit(await left(at.at.ana), error=error, **told, **changed))
        assert page.status == (200 if taken and not error else 400)
        # Nothing of an error is shown that may be somebody else's.
        assert ("Call 555" in page.text) == (taken and bool(error))
        assert len(at.tracker.forms) == (taken and not error)


async def test_endpoints_that_were_entered_without_an_issuer_have_none_to_compare(tmp_path):
    async with scene(tmp_path) as at:
        by_hand = {"client_id": "by hand"}
        by_hand |= {f"{name}_endpoint": f"{at.tracker.url}/{path}"
                    for name, path in (("authorization", "authorize"), ("token", "token"))}  # fmt: skip
        at.tracker.clients["by hand"] = "none"
        await at.set_up({**by_hand, "authorization_params": {"access_type": "offline", "prompt": ""}})
        page = await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert page.status == 200
        assert at.tracker.asked[0]["access_type"] == "offline"
        assert at.tracker.registrations == []
        await at.set_up({**by_hand, "issuer": "https://another.example:8443"})
        assert (await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))).status == 400


async def test_who_says_no_there_hears_that_nothing_was_connected(tmp_path):
    async with scene(tmp_path) as at:
        page = await at.at.ana.open(at.tracker.visit(await left(at.at.ana), error="access_denied"))
        assert "You did not allow this gateway to use your account at Tracker, so nothing was connected." in page.text
        assert f'<a href="{PAGE}">Try to connect it again</a>' in page.response.text
        assert "Open My access" in page.text
        page = await at.at.ana.open(
            at.tracker.visit(await left(at.at.ana), error="inv<b>alid\u202e", iss=at.tracker.url)
        )
        assert "127.0.0.1 gave no access to Tracker. It says inv<b>alid. Nothing was connected." in page.text
        assert at.tracker.forms == []


REFUSED = {
    "invalid_grant": ({"error": "invalid_grant"}, "gave no access. It says invalid_grant."),
    "kind": ({"access_token": "a", "token_type": "DPoP"}, "a token of another kind than Bearer"),
    "nothing": ({}, "and did not say why"),
}


@pytest.mark.parametrize("how", REFUSED)
async def test_a_token_endpoint_that_gives_nothing_leaves_the_account_of_before(tmp_path, how):
    answer, told = REFUSED[how]
    async with scene(tmp_path) as at:
        key = await at.key("ana@example.com")
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        if how == "kind":
            at.tracker.answers = answer
        else:
            at.tracker.refusal = answer
        page = await at.at.ana.open(at.tracker.visit(await left(at.at.ana), "other"))
        assert (page.status, told in page.text) == (400, True), page.text
        assert "I am ana." in await at.called(key)


async def test_a_client_that_is_not_known_there_any_more_is_registered_anew_the_next_time(tmp_path):
    async with scene(tmp_path) as at:
        at.tracker.refusal = {"error": "invalid_client"}
        assert (await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))).status == 400
        at.tracker.refusal = None
        assert (await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))).status == 200
        assert [asked["client_id"] for asked in at.tracker.asked] == ["client-1", "client-2"]


async def test_several_tabs_work_at_once_and_of_too_many_the_oldest_is_forgotten(tmp_path):
    async with scene(tmp_path) as at:
        tabs = []
        for _ in range(MAX_AT_ONCE + 1):
            tabs.append(at.tracker.visit(await left(at.at.ana)))
            at.gw.clock[0] += 1
        assert (await at.at.ana.open(tabs[0])).status == 400
        for back in reversed(tabs[1:]):
            assert (await at.at.ana.open(back)).status == 200
        assert len(at.tracker.registrations) == 1


async def test_where_a_token_tells_whose_account_it_is_that_is_shown(tmp_path):
    def told(**claims: str) -> str:
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return f"eyJhbGciOiJSUzI1NiJ9.{body}.c2lnbmF0dXJl"

    async with scene(tmp_path) as at:
        url = at.tracker.url
        for claims, shown in (
            ({"iss": url, "aud": "client-1", "email": "ana@tracker.example", "name": "Ana"}, "ana@tracker.example"),
            ({"iss": url, "aud": "client-1", "preferred_username": "ana<\u202eb>"}, "ana< b>"),
            ({"iss": "https://evil.example", "aud": "client-1", "email": "boss@acme.dev"}, None),
            ({"iss": url, "aud": "another", "email": "boss@acme.dev"}, None),
        ):
            at.tracker.answers = {"id_token": told(**claims)}
            page = await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
            assert (f"Account {shown}" in page.text) == (shown is not None)
            assert "boss" not in page.text
        at.tracker.answers = {"id_token": "x.y.z"}
        assert (await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))).status == 200


async def test_more_permission_is_asked_for_beside_what_was_given_and_the_count_of_tries_goes_on(tmp_path):
    async with scene(tmp_path) as at:
        key = await at.key("ana@example.com")
        member = await at.gw.admin.people.by_email("ana@example.com")
        assert member is not None
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert "authorization_url" in await at.called(key, "write")
        assert "The server has asked for more permission" in (await at.at.ana.open("/oauth/account")).text
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert [asked["scope"] for asked in at.tracker.asked] == ["read", "read write"]
        made = await kept(at, Holder("user", member.id))
        assert made is not None
        assert (made.asked, made.wanted, made.step_ups) == (("read", "write"), (), 1)
        assert "I am ana." in await at.called(key, "write")
        # Connected anew without being asked to: what it has stays, and the count begins anew.
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert at.tracker.asked[-1]["scope"] == "read write"
        made = await kept(at, Holder("user", member.id))
        assert made is not None
        assert made.step_ups == 0
        # What an administrator takes off the list is not asked for again.
        await at.set_up({"scopes": ["read"]})
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        assert at.tracker.asked[-1]["scope"] == "read"


async def test_no_secret_of_a_connection_is_logged_or_shown(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with scene(tmp_path) as at:
        url = await left(at.at.ana)
        back = at.tracker.visit(url)
        page = await at.at.ana.open(back)
        account = await at.at.ana.open("/oauth/account")
        code, state = (dict(pair.split("=") for pair in back.partition("?")[2].split("&"))[name]
                       for name in ("code", "state"))  # fmt: skip
        stored = b"".join(file.read_bytes() for file in tmp_path.glob("gatehouse.db*"))
        fields = "".join(str(vars(record).get("fields")) for record in caplog.records if "httpx" not in record.name)
        for secret in ("access-1-ana", "refresh-1-ana", at.tracker.forms[0].fields["code_verifier"], code, state):
            assert secret not in page.response.text + account.response.text + fields
            assert secret.encode() not in stored
