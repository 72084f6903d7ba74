"""Coming in: the first owner, invitations, passwords, an identity provider; and one's own access."""

from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from gateway_core.access.api_keys import locate
from gateway_core.registry.people import People
from gateway_core.signin.cookies import cookie_name
from tests.flows.browsers import PASSWORD, PUBLIC, Browser, register, stage
from tests.flows.gateways import NOW, gateway
from tests.oidc import CLIENT_ID, CLIENT_SECRET, provider, signed_in_at


async def test_the_set_up_link_makes_one_owner_once(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ana, other = Browser(gw.front), Browser(gw.front)
        assert "This gateway has no owner yet" in (await other.open("/oauth/signin")).text
        link = await gw.oauth.setup_link()
        assert link is not None
        assert link.startswith(f"{PUBLIC}/oauth/setup?token=")
        theirs = await other.open(link)
        page = await ana.open(link)
        assert "You become its owner" in page.text
        weak = await ana.submit(page, "/oauth/setup", name="Ana", email="ana@example.com", password="short")
        assert weak.status == 422
        assert "A password has at least 12 characters" in weak.text
        assert weak.form("/oauth/setup").fields["email"] == "ana@example.com"
        assert "short" not in weak.response.text
        done = await ana.submit(weak, "/oauth/setup", password=PASSWORD)
        assert "Signed in as Ana , ana@example.com" in done.text
        late = await other.submit(theirs, "/oauth/setup", name="Eve", email="eve@example.com", password=PASSWORD)
        assert late.status == 403
        assert (await other.open(link)).status == 403
        assert await gw.oauth.setup_link() is None
        assert "has no owner yet" not in (await other.open("/oauth/signin")).text
        for browser in (ana, other):
            await browser.close()


async def test_opening_a_link_again_and_again_uses_nothing_up(tmp_path):
    async with stage(tmp_path) as at:
        token, ben = await invitation(at), at.browser()
        for method in ("HEAD", "GET", "GET"):
            assert (await ben.http.request(method, f"/oauth/join?token={token}")).status_code == 200
        page = await ben.open(f"/oauth/join?token={token}")
        assert "let you in as ben@example.com" in page.text
        weak = await ben.submit(page, "/oauth/join", name="Ben Ode", password="short")
        assert weak.status == 422
        done = await ben.submit(weak, "/oauth/join", password=PASSWORD)
        assert "Signed in as Ben Ode , ben@example.com" in done.text
        again = await at.browser().open(f"/oauth/join?token={token}")
        assert again.status == 403
        assert "This invitation does not work" in again.text


async def test_a_password_lets_in_and_a_wrong_one_says_no_more_than_an_unknown_address(tmp_path):
    async with stage(tmp_path) as at:
        ben = at.browser()
        page = await ben.open(f"/oauth/join?token={await invitation(at)}")
        await ben.submit(page, "/oauth/join", name="Ben", password=PASSWORD)
        page = await ben.submit(await ben.open("/oauth/account"), "/oauth/signout")
        assert page.text.startswith("Signed out")
        assert (await ben.open("/oauth/account")).text.startswith("Sign in")
        asked = (await register(at.ana.http)).url(f"{PUBLIC}/research/linear/mcp")
        page = await ben.open(asked)
        wrong = await ben.submit(page, "/oauth/signin", email="ben@example.com", password="not this one")
        unknown = await ben.submit(page, "/oauth/signin", email="nobody@example.com", password="not this one")
        assert (wrong.status, unknown.status) == (403, 403)
        assert wrong.text == unknown.text
        assert "do not belong together" in wrong.text
        assert "not this one" not in wrong.response.text
        done = await ben.submit(wrong, "/oauth/signin", email=" BEN@example.com", password=PASSWORD)
        assert done.url == PUBLIC + asked


async def test_signing_out_is_asked_before_it_is_done(tmp_path):
    async with stage(tmp_path) as at:
        page = await at.ana.open("/oauth/signout")
        assert "Sign out?" in page.text
        assert (await at.ana.open("/oauth/account")).text.startswith("My access")
        before = at.ana.http.cookies[cookie_name(PUBLIC)]
        gone = await at.ana.submit(page, "/oauth/signout")
        assert "You are signed out" in gone.text
        old = at.browser()
        old.http.cookies.set(cookie_name(PUBLIC), before, domain="127.0.0.1")
        assert (await old.open("/oauth/account")).text.startswith("Sign in")


async def test_a_member_sees_and_ends_their_own_access_and_nobody_elses(tmp_path):
    async with stage(tmp_path) as at:
        ben, _ = await at.member("ben@example.com", "research")
        for browser in (at.ana, ben):
            client = await register(browser.http)
            page = await browser.open(client.url(f"{PUBLIC}/research/linear/mcp"))
            await client.redeem(browser.http, (await browser.submit(page, "/authorize", "allow")).parameters["code"])
        token, key_id = await at.gw.new_key(kind="user", subject="ben@example.com")
        page = await ben.open("/oauth/account")
        assert key_id in page.text
        mine = [form.fields for form in page.forms if form.action == "/oauth/account"]
        assert [form["what"] for form in mine] == ["grant", "key"]
        for form in mine:
            for stolen in (form, {**form, "place": "org"}, {**form, "id": "k-22222222"}):
                csrf = (await at.ana.open("/oauth/signout")).form("/oauth/signout").fields["csrf"]
                assert (await at.ana.post("/oauth/account", {**stolen, "csrf": csrf})).status == 404
        for form, said in zip(mine, ("That app has no access any more.", "That API key works no more."), strict=True):
            done = await ben.post("/oauth/account", form)
            assert said in done.text
            assert (await ben.post("/oauth/account", form)).status in (200, 404)
        assert key_id not in (await ben.open("/oauth/account")).text
        refused = await at.gw.post("/research/linear/mcp", {}, key=token)
        assert refused.status_code == 401
        assert locate(token)[1] == key_id
        assert "Probe" in (await at.ana.open("/oauth/account")).text


async def test_who_was_removed_is_signed_out_at_once(tmp_path):
    async with stage(tmp_path) as at:
        ben, member = await at.member("ben@example.com", "research")
        page = await ben.open((await register(ben.http)).url(f"{PUBLIC}/research/linear/mcp"))
        await People(at.gw.table, lambda: NOW).remove(member.id)
        assert (await ben.submit(page, "/authorize", "allow")).status == 400
        assert (await ben.open("/oauth/account")).text.startswith("Sign in")


@asynccontextmanager
async def with_provider(folder):
    """A gateway whose people sign in at an identity provider."""
    async with provider(lambda: NOW) as idp:
        known: dict[str, Any] = {
            "oidc_issuer": idp.url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
        }
        async with gateway(folder, {}, **known) as gw:
            yield gw, idp


async def test_with_an_identity_provider_the_first_owner_signs_in_there(tmp_path):
    async with with_provider(tmp_path) as (gw, idp):
        ana = Browser(gw.front)
        page = await ana.open(await gw.oauth.setup_link())
        assert "form-action 'self' http:;" in page.response.headers["content-security-policy"]
        away = await ana.submit(page, "/oauth/setup")
        assert away.url.startswith(f"{idp.url}/authorize?")
        done = await ana.open(f"/oauth/callback?{await signed_in_at(away.url)}")
        assert "ana@acme.dev" in done.text
        assert await gw.oauth.setup_link() is None
        await ana.submit(done, "/oauth/signout")
        page = await ana.open("/oauth/signin?next=%2Fauthorize%3Fclient_id%3Dx")
        assert "Continue with 127.0.0.1" in page.response.text
        away = await ana.submit(page, "/oauth/signin")
        back = await ana.http.get(f"/oauth/callback?{await signed_in_at(away.url)}")
        assert back.headers["location"] == "/authorize?client_id=x"
        await ana.close()


async def test_an_invitation_goes_with_the_person_to_the_identity_provider_and_back(tmp_path):
    async with with_provider(tmp_path) as (gw, _):
        people = People(gw.table, lambda: NOW)
        made = await people.add("someone.else@example.com", by="x")
        token = await gw.oauth.desk.sign_in.invitations.make(made.id, by="x")
        ana = Browser(gw.front)
        away = await ana.submit(await ana.open(f"/oauth/join?token={token}"), "/oauth/join")
        done = await ana.open(f"/oauth/callback?{await signed_in_at(away.url)}")
        assert "someone.else@example.com" in done.text
        await ana.close()


async def test_the_way_back_works_in_the_same_browser_alone_and_once(tmp_path):
    async with with_provider(tmp_path) as (gw, _):
        ana, mallory = Browser(gw.front), Browser(gw.front)
        away = await ana.submit(await ana.open(await gw.oauth.setup_link()), "/oauth/setup")
        query = await signed_in_at(away.url)
        await mallory.open("/oauth/signin")
        stolen = await mallory.open(f"/oauth/callback?{query}")
        assert stolen.status == 403
        assert "begun in another browser" in stolen.text
        # Whoever could read the address of the answer must not bring it back where the log-in was begun, either.
        assert (await ana.open(f"/oauth/callback?{query}")).status == 403
        away = await ana.submit(await ana.open(await gw.oauth.setup_link()), "/oauth/setup")
        query = await signed_in_at(away.url)
        assert (await ana.open(f"/oauth/callback?{query}")).text.startswith("My access")
        again = await ana.open(f"/oauth/callback?{query}")
        assert "My access You were signed in here already." in again.text
        await ana.submit(again, "/oauth/signout")
        assert (await ana.open(f"/oauth/callback?{query}")).status == 403
        assert (await mallory.open("/oauth/account")).text.startswith("Sign in")
        for browser in (ana, mallory):
            await browser.close()


async def test_a_sign_in_page_of_another_browser_still_knows_where_to_go_on(tmp_path):
    async with stage(tmp_path) as at:
        asked = (await register(at.ana.http)).url(f"{PUBLIC}/research/linear/mcp")
        ben, other = at.browser(), at.browser()
        await other.open("/oauth/signin")
        for person in (other, at.browser()):
            lost = await person.submit(await ben.open(asked), "/oauth/signin", email="a@b.example", password=PASSWORD)
            assert lost.status == 400
            assert "made for another tab or browser, so nobody was signed in" in lost.text
            assert lost.form("/oauth/signin").fields["next"] == asked
            # Its token fits: what is wrong now is the password alone.
            again = await person.submit(lost, "/oauth/signin", email="a@b.example", password=PASSWORD)
            assert "do not belong together" in again.text


async def test_who_was_not_let_in_still_knows_where_to_go_on(tmp_path):
    async with with_provider(tmp_path) as (gw, idp):
        ana, asked = Browser(gw.front), "/authorize?client_id=x"
        away = await ana.submit(await ana.open(await gw.oauth.setup_link()), "/oauth/setup")
        await ana.open(f"/oauth/callback?{await signed_in_at(away.url)}")
        await ana.submit(await ana.open("/oauth/signout"), "/oauth/signout")
        idp.person = {**idp.person, "sub": "another", "email": "stranger@example.com"}
        tab = await ana.open(f"/oauth/signin?next={quote(asked, safe='')}")
        refused = await ana.open(f"/oauth/callback?{await signed_in_at((await ana.submit(tab, '/oauth/signin')).url)}")
        assert refused.status == 403
        onward = f"/oauth/signin?next={quote(asked, safe='')}"
        assert f'href="{onward}&amp;as=another"' in refused.response.text
        # Who was not let in chooses an account; the provider would else send the same one back.
        led = [(await ana.submit(await ana.open(at), "/oauth/signin")).url for at in (onward, f"{onward}&as=another")]
        assert ["prompt=select_account" in url for url in led] == [False, True]
        await ana.close()


async def invitation(at, email: str = "ben@example.com") -> str:
    """What the link for somebody who is invited holds."""
    invitations = at.gw.oauth.desk.sign_in.invitations
    member = await invitations.people.add(email, by="ana@example.com")
    token: str = await invitations.make(member.id, by="ana@example.com")
    return token
