"""One machine has several names for one port. People get the pages under that of the gateway; nobody gets elsewhere."""

import pytest

from gateway_core.access.names import goes_by_another
from tests.flows.browsers import PASSWORD, PUBLIC, Browser, stage

PAGES = (
    "/oauth/signin",
    "/oauth/account",
    "/oauth/setup?token=a%2Bb",
    "/authorize?client_id=x&state=a%20b+c",
    "/oauth/x",
)


@pytest.mark.parametrize("came", ["localhost:8787", "LOCALHOST:8787", "[::1]:8787"])
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_asked_for_by_another_name_of_the_machine_is_the_same_page_by_its_own(tmp_path, came, path):
    async with stage(tmp_path) as at:
        for method in ("GET", "HEAD"):
            answer = await at.ana.http.request(method, path, headers={"host": came})
            assert (answer.status_code, answer.headers["location"]) == (303, PUBLIC + path)
            assert answer.headers["cache-control"] == "no-store"


async def test_a_person_at_another_name_signs_in_all_the_same(tmp_path):
    async with stage(tmp_path) as at:
        link = (await at.gw.oauth.setup_link() or "").replace("127.0.0.1", "localhost")
        stray = Browser(at.gw.front, "http://localhost:8787")
        there = (await stray.open(link)).url
        await stray.close()
        assert there.startswith(f"{PUBLIC}/oauth/setup?token=")
        mia = at.browser()
        page = await mia.open(there)
        done = await mia.submit(page, "/oauth/setup", name="Mia", email="mia@example.com", password=PASSWORD)
        assert done.text.startswith("My access")


async def test_the_gateway_itself_opened_in_a_browser_leads_to_ones_own_access_by_whatever_name(tmp_path):
    async with stage(tmp_path) as at:
        for method in ("GET", "HEAD"):
            answer = await at.ana.http.request(method, "/")
            assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/oauth/account", "")
        assert (await at.ana.open("/")).text.startswith("My access")
        assert (await at.browser().open("/")).text.startswith("Sign in")
        stray = Browser(at.gw.front, "http://localhost:8787")
        assert (await stray.open("/")).url == f"{PUBLIC}/oauth/account"
        await stray.close()
        foreign = await at.ana.http.get("/", headers={"host": "evil.example:8787"})
        assert (foreign.status_code, "location" in foreign.headers) == (421, False)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", 303),
        ("*/*", 303),
        ("text/html, text/event-stream", 303),
        ("text/event-stream", 404),
        ("application/json, Text/Event-Stream", 404),
    ],
)
async def test_a_client_that_asks_for_a_stream_at_the_bare_address_hears_where_endpoints_are(tmp_path, accept, status):
    async with stage(tmp_path) as at:
        answer = await at.ana.http.get("/", headers={"accept": accept})
        assert answer.status_code == status
        assert ("An MCP endpoint is /{workspace}/{server}/mcp." in answer.text) is (status == 404)


async def test_what_a_page_of_another_name_posts_is_refused_as_ever_and_moves_nobody(tmp_path):
    async with stage(tmp_path) as at:
        headers = {"host": "localhost:8787", "origin": "http://localhost:8787"}
        for path in ("/oauth/signin", "/oauth/account", "/authorize"):
            answer = await at.ana.http.post(path, data={"csrf": "x"}, headers=headers)
            assert (answer.status_code, "location" in answer.headers) == (403, False)


async def test_what_clients_ask_is_answered_by_whatever_name_they_came(tmp_path):
    async with stage(tmp_path) as at:
        for path in ("/.well-known/oauth-authorization-server", "/token"):
            answer = await at.ana.http.get(path, headers={"host": "localhost:8787"})
            assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/oauth/style.css?0123456789ab", "/oauth/icon.svg"])
async def test_a_page_served_by_another_name_of_the_machine_gets_its_style_and_icon_by_that_name(tmp_path, path):
    async with stage(tmp_path) as at:
        answer = await at.ana.http.get(path, headers={"host": "localhost:8787"})
        assert (answer.status_code, "location" in answer.headers) == (200, False)


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/oauth/",
        "/oauth/%2f%2fevil.example",
        "/oauth/../..//evil.example",
        "/oauth/a%0d%0aset-cookie:x=1",
        "/oauth/x?next=https://evil.example",
        "/%6fauth/x",
    ],
)
async def test_nobody_is_led_anywhere_but_to_the_gateway(tmp_path, path):
    async with stage(tmp_path) as at:
        answer = await at.ana.http.get(path, headers={"host": "localhost:8787"})
        location = answer.headers.get("location", PUBLIC + "/")
        assert location.startswith(PUBLIC + "/")
        assert "\r" not in location, "a line of the attacker's own in the head"


@pytest.mark.parametrize(
    ("host", "public", "other"),
    [
        ("localhost:8787", PUBLIC, True),
        ("127.0.0.1:8787", PUBLIC, False),
        ("127.0.0.1:8787", "http://LocalHost:8787", True),
        ("LocalHost:8787", "http://localhost:8787", False),
        ("localhost:8788", PUBLIC, False),
        ("localhost", PUBLIC, False),
        ("localhost", "http://127.0.0.1", True),
        ("localhost:80", "http://127.0.0.1", True),
        ("localhost:443", "http://127.0.0.1", False),
        ("localhost:443", "https://127.0.0.1", True),
        # A proxy in front may call us so, and would again at each turn.
        ("localhost:8787", "https://gate.example:8787", False),
        ("localhost", "https://gate.example", False),
        ("evil.example:8787", PUBLIC, False),
        ("localhost.evil.example:8787", PUBLIC, False),
        ("localhost:8787@evil.example", PUBLIC, False),
        ("[::1", PUBLIC, False),
        ("", PUBLIC, False),
        ("localhost", "", False),
    ],
)
def test_only_another_name_of_this_machine_with_the_same_port_leads_on(host, public, other):
    assert goes_by_another(host, public) is other
