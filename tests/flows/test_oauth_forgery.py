"""What other people's pages, links and cookies can make a browser do here: nothing."""

import pytest

from gateway_core.signin.cookies import cookie_name, csrf_token, new_value
from gateway_core.web.oauth.forms import origin_of
from tests.flows.browsers import PASSWORD, PUBLIC, register, stage

LINEAR = f"{PUBLIC}/research/linear/mcp"
POSTS = (
    "/authorize",
    "/oauth/signin",
    "/oauth/signout",
    "/oauth/setup",
    "/oauth/join",
    "/oauth/account",
)
OTHER = "belongs to another browser"
TOLD = {"/oauth/setup": "This set-up link does not work", "/oauth/join": "You are signed in as ana@example.com"}
REFUSED = {"/oauth/setup": 403, "/oauth/join": 409}
FOREIGN = (
    {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
    {"origin": "https://evil.example", "sec_fetch_site": "same-origin"},
    {"origin": "https://evil.example", "sec_fetch_site": ""},
    {"origin": "http://127.0.0.1:8788", "sec_fetch_site": "same-site"},
    {"origin": "http://127.0.0.1:8787.evil.example", "sec_fetch_site": ""},
    {"origin": "https://127.0.0.1:8787", "sec_fetch_site": ""},
    {"origin": "null", "sec_fetch_site": "cross-site"},
    {"origin": "null", "sec_fetch_site": ""},
    {"origin": "", "sec_fetch_site": "same-site"},
    {"origin": "", "sec_fetch_site": "none"},
    {"origin": "", "sec_fetch_site": ""},
)


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_on_somebody_elses_page_changes_nothing_here(tmp_path, path):
    async with stage(tmp_path) as at:
        cookie = at.ana.http.cookies[cookie_name(PUBLIC)]
        for origin in FOREIGN:
            answer = await at.ana.post(path, {"csrf": csrf_token(cookie)}, **origin)
            assert answer.status == 403, origin
            assert "came from somewhere else" in answer.text
            assert "set-cookie" not in answer.response.headers


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_without_the_token_of_this_very_browser_changes_nothing(tmp_path, path):
    async with stage(tmp_path) as at:
        for token in ("", "x", csrf_token(new_value()), "ü\x00"):
            if path != "/oauth/signin":
                answer = await at.ana.post(path, {"csrf": token})
                assert (answer.status, TOLD.get(path, OTHER) in answer.text) == (REFUSED.get(path, 400), True)
        other = await at.browser().post(path, {"csrf": csrf_token(new_value())})
        # Nobody is signed in there: a link without its token opens nothing, and there is nobody to sign out.
        assert other.status == {"/oauth/setup": 403, "/oauth/join": 403, "/oauth/signout": 200}.get(path, 400)
        assert (await at.ana.open("/oauth/account")).text.startswith("My access")


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_is_read_in_one_way_or_not_at_all(tmp_path, path):
    async with stage(tmp_path) as at:
        csrf = csrf_token(at.ana.http.cookies[cookie_name(PUBLIC)])
        for kind, body in (
            ("text/plain", f"csrf={csrf}"),
            ("application/json", f'{{"csrf": "{csrf}"}}'),
            ("application/x-www-form-urlencoded", f"csrf={csrf}&csrf={csrf}"),
            ("application/x-www-form-urlencoded", f"csrf={csrf}&a=%ff"),
            ("application/x-www-form-urlencoded", f"csrf={csrf}&a=ü"),
            ("application/x-www-form-urlencoded", f"csrf={csrf}" + "&a=1" * 30),
        ):
            headers = {"content-type": kind, "origin": PUBLIC}
            answer = await at.ana.http.post(path, content=body.encode(), headers=headers)
            assert answer.status_code == 400
            assert "Go back and use the page again" in answer.text


@pytest.mark.parametrize("name", ["origin", "sec-fetch-site"])
@pytest.mark.parametrize("path", POSTS)
async def test_a_form_that_says_twice_where_it_comes_from_changes_nothing(tmp_path, path, name):
    async with stage(tmp_path) as at:
        csrf = csrf_token(at.ana.http.cookies[cookie_name(PUBLIC)])
        own = {"origin": PUBLIC, "sec-fetch-site": "same-origin"}
        for second in (own[name], "https://evil.example"):
            sent = [*own.items(), (name, second)]
            answer = await at.ana.http.post(path, data={"csrf": csrf}, headers=sent)
            assert answer.status_code == 403
            assert "came from somewhere else" in answer.text
            assert "set-cookie" not in answer.headers
        assert (await at.ana.open("/oauth/account")).text.startswith("My access")


async def test_who_is_signed_in_already_stays_who_they_are_whatever_a_sign_in_form_says(tmp_path):
    async with stage(tmp_path) as at:
        page = await at.browser().open(f"/oauth/join?token={await _invited(at)}")
        await at.opened[-1].submit(page, "/oauth/join", name="Ben", password=PASSWORD)
        before = at.ana.http.cookies[cookie_name(PUBLIC)]
        for token in ("", csrf_token(new_value()), csrf_token(before)):
            form = {"csrf": token, "email": "ben@example.com", "password": PASSWORD, "next": "//evil.example"}
            answer = await at.ana.post("/oauth/signin", form)
            assert "Signed in as Ana Ruiz" in answer.text
            assert answer.url == f"{PUBLIC}/oauth/account"
        assert at.ana.http.cookies[cookie_name(PUBLIC)] == before


async def test_an_attacker_cannot_sign_somebody_in_as_themselves(tmp_path):
    async with stage(tmp_path) as at:
        mallory = at.browser()
        await at.gw.oauth.desk.sign_in.invitations.people.add("mal@example.com", by="x")
        victim = at.browser()
        form = (await mallory.open("/oauth/signin")).form("/oauth/signin").fields
        await victim.open("/oauth/signin")
        answer = await victim.post("/oauth/signin", {**form, "email": "mal@example.com", "password": PASSWORD})
        assert answer.status == 400
        assert (await victim.open("/oauth/account")).text.startswith("Sign in")


async def test_a_cookie_that_somebody_planted_is_worth_nothing_after_signing_in(tmp_path):
    async with stage(tmp_path) as at:
        token = await _invited(at)
        planted, victim, mallory = new_value(), at.browser(), at.browser()
        for browser in (victim, mallory):
            browser.http.cookies.set(cookie_name(PUBLIC), planted, domain="127.0.0.1")
        page = await victim.open(f"/oauth/join?token={token}")
        assert (await victim.submit(page, "/oauth/join", name="Ben", password=PASSWORD)).text.startswith("My access")
        assert victim.http.cookies[cookie_name(PUBLIC)] != planted
        assert (await mallory.open("/oauth/account")).text.startswith("Sign in")


async def test_signing_out_to_join_ends_the_session_before(tmp_path):
    async with stage(tmp_path) as at:
        before, token = at.ana.http.cookies[cookie_name(PUBLIC)], await _invited(at)
        page = await at.ana.open(f"/oauth/join?token={token}")
        page = await at.ana.submit(page, "/oauth/signout")
        await at.ana.submit(page, "/oauth/join", name="Ben", password=PASSWORD)
        assert "ben@example.com" in (await at.ana.open("/oauth/account")).text
        old = at.browser()
        old.http.cookies.set(cookie_name(PUBLIC), before, domain="127.0.0.1")
        assert (await old.open("/oauth/account")).text.startswith("Sign in")


ELSEWHERE = (
    "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/%09/evil.example",
    "/\t/evil.example", "javascript:alert(1)", "/authorize@evil.example", "/authorize", "/authorize/../../evil",
    "/authorizex?a=b", "/authorize?a=b\r\nSet-Cookie: a=b", "/authorize?a=b\\c", "/authorize?é", "/authorize?a b",
    "/authorize\n?a=b", "/oauth/signout", "/oauth/setup?token=x", "/oauth/callback?state=x", "/api/v1/keys",
    "/linear/mcp", "", " ", "?", "#", "/authorize?" + "a" * 16_001, "http:/authorize?a",
    "//127.0.0.1:8787/authorize?a",
)  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
async def test_signing_in_leads_to_our_own_pages_whatever_a_link_says(tmp_path, path):
    async with stage(tmp_path) as at:
        signed_in = await at.ana.http.get("/oauth/signin", params={"next": path})
        assert signed_in.headers["location"] == "/oauth/account"
        page = await at.browser().http.get("/oauth/signin", params={"next": path})
        assert 'name="next" value="/oauth/account"' in page.text


async def test_signing_in_or_out_leads_back_to_a_request_byte_for_byte(tmp_path):
    async with stage(tmp_path) as at:
        path = "/authorize?state=%00%2F%2f+a&x='\"<>;,~&resource=https://a.example/%C3%A9"
        moved = await at.ana.http.get("/oauth/signin", params={"next": path})
        assert moved.headers["location"] == path


async def test_over_https_the_cookie_belongs_to_this_host_alone(tmp_path):
    url = "https://gate.example"
    async with stage(tmp_path, public_url=url) as at:
        page = await at.browser().http.get("/oauth/signin")
        line = page.headers["set-cookie"]
        assert line.startswith("__Host-gatehouse=")
        assert line.partition("; ")[2] == "Max-Age=604800; Path=/; Secure; HttpOnly; SameSite=Lax"
        assert (await at.ana.post("/oauth/signin", {}, origin=PUBLIC)).status == 403
        client = await register(at.ana.http)
        back = await at.ana.submit(await at.ana.open(client.url(f"{url}/research/linear/mcp")), "/authorize", "allow")
        assert back.parameters["iss"] == url


async def test_two_cookies_of_one_name_are_nobodys(tmp_path):
    async with stage(tmp_path) as at:
        name, cookie = cookie_name(PUBLIC), at.ana.http.cookies[cookie_name(PUBLIC)]
        both = {"cookie": f"{name}={new_value()}; {name}={cookie}"}
        async with at.browser().http as bare:
            assert (await bare.get("/oauth/account", headers=both)).headers["location"].startswith("/oauth/signin")


def test_the_origin_of_a_public_url_is_written_as_browsers_write_it():
    assert origin_of("https://Gate.Example:443") == "https://gate.example"
    assert origin_of("http://127.0.0.1:80/x") == "http://127.0.0.1"
    assert origin_of("https://gate.example:8443") == "https://gate.example:8443"


async def _invited(at) -> str:
    invitations = at.gw.oauth.desk.sign_in.invitations
    member = await invitations.people.add("ben@example.com", by="ana@example.com")
    token: str = await invitations.make(member.id, by="ana@example.com")
    return token
