"""What every page and endpoint has in common: headers, methods, bounds, and how text of others is shown."""

import json

import pytest

from tests.flows.browsers import PUBLIC, Browser, register, stage

METADATA = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"
PAGES = (
    "/oauth/signin", "/oauth/account", "/oauth/signout", "/oauth/setup?token=x", "/oauth/join?token=x",
    "/oauth/callback?state=x", "/oauth/nowhere", "/oauth/", "/oauth", "/authorize", "/authorize?client_id=x",
)  # fmt: skip


def check_page(headers, *, to: str | None = "") -> None:
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    forms = "" if to is None else f"form-action 'self'{to}; "
    assert policy == (
        f"default-src 'none'; style-src 'self'; img-src 'self'; {forms}frame-ancestors 'none'; base-uri 'none'"
    )
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_can_be_framed_cached_or_run_script_and_head_is_answered_like_get(tmp_path, path):
    async with stage(tmp_path) as at:
        for browser in (at.browser(), at.ana):
            page = await browser.open(path, origin="https://evil.example")
            check_page(page.response.headers)
            assert "<script" not in page.response.text
            head = await browser.http.head(path)
            got = await browser.http.get(path)
            assert (head.status_code, head.text) == (got.status_code, "")
            assert dict(head.headers).keys() - {"set-cookie"} == dict(got.headers).keys() - {"set-cookie"}


@pytest.mark.parametrize(("url", "told"), [("https://gate.example", "max-age=31536000"), (PUBLIC, None)])
async def test_over_https_every_answer_says_to_come_by_https_only(tmp_path, url, told):
    async with stage(tmp_path, public_url=url) as at:
        for path in (*PAGES, METADATA, f"{RESOURCE}/x", "/oauth/style.css", "/token"):
            answer = await at.ana.http.get(path)
            assert answer.headers.get("strict-transport-security") == told, path
        for path in ("/token", "/register", "/authorize"):
            answer = await at.ana.http.post(path, content=b"a" * 65_537)
            assert answer.headers.get("strict-transport-security") == told, path
        wrong = await at.ana.http.get("/oauth/signin", headers={"host": "evil.example"})
        assert wrong.headers.get("strict-transport-security") == told


async def test_links_that_let_in_have_the_same_headers_and_stay_out_of_other_sites_logs(tmp_path):
    async with stage(tmp_path) as at:
        invited = await at.gw.oauth.desk.sign_in.invitations.people.add("ben@example.com", by="x")
        token = await at.gw.oauth.desk.sign_in.invitations.make(invited.id, by="x")
        for path in (await at.gw.oauth.setup_link() or "", f"/oauth/join?token={token}"):
            page = await at.browser().open(path)
            assert page.status == 200
            # "same-origin": the address, and the token in it, is told to nobody else.
            check_page(page.response.headers)


@pytest.mark.parametrize(
    ("redirect", "source"),
    [
        ("http://localhost:64041/callback", " http://localhost:64041 https:"),
        ("http://127.0.0.1/", " http://127.0.0.1 https:"),
        ("http://[::1]:7777/callback", " http: https:"),
        ("https://App.Example:8443/cb?x=1", None),
        ("cursor://anysphere.cursor-mcp/oauth/callback", " cursor:"),
        ("com.example.app:/callback", " com.example.app:"),
    ],
)
async def test_a_decision_ends_at_the_apps_own_address_and_where_that_leads_on_the_web(tmp_path, redirect, source):
    async with stage(tmp_path) as at:
        client = await register(at.ana.http, redirect_uri=redirect)
        for resource in (f"{PUBLIC}/research/linear/mcp", "https://elsewhere.example/mcp"):
            page = await at.ana.open(client.url(resource))
            check_page(page.response.headers, to=source)


async def test_a_probe_behind_an_mcp_url_gets_a_short_404_here_too(tmp_path):
    async with stage(tmp_path) as at:
        alone = Browser(at.gw.oauth)
        for path in ("/research/linear/mcp/.well-known/oauth-protected-resource", "/linear/mcp/.well-known/x"):
            answer = await alone.http.get(path)
            assert (answer.status_code, answer.text) == (404, "Not found\n")
        await alone.close()


async def test_metadata_is_for_everybody_and_what_is_not_there_is_a_short_404(tmp_path):
    async with stage(tmp_path) as at:
        for path in (METADATA, f"{RESOURCE}/research/linear/mcp", f"{RESOURCE}/api/v1"):
            for method in ("GET", "HEAD"):
                answer = await at.ana.http.request(method, path, headers={"origin": "https://inspector.example"})
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "application/json"
                assert answer.headers["access-control-allow-origin"] == "*"
                assert "access-control-allow-credentials" not in answer.headers
        assert (await at.ana.http.get(METADATA)).json()["issuer"] == PUBLIC
        told = (await at.ana.http.get(f"{RESOURCE}/research/linear/mcp")).json()
        assert told["resource"] == f"{PUBLIC}/research/linear/mcp"
        for path in (
            RESOURCE, f"{RESOURCE}/", f"{RESOURCE}/k/research/linear/mcp", "/.well-known/openid-configuration",
            f"{METADATA}/research/linear/mcp", "/.well-known/anything", "/.well-known/",
        ):  # fmt: skip
            answer = await at.ana.http.get(path)
            assert (answer.status_code, answer.text) == (404, "Not found\n"), path
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/token", "/register", "/revoke", METADATA, f"{RESOURCE}/research/linear/mcp"])
async def test_web_pages_may_ask_what_has_no_cookie(tmp_path, path):
    async with stage(tmp_path) as at:
        asked = {"origin": "https://inspector.example", "access-control-request-method": "POST"}
        answer = await at.ana.http.options(path, headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/authorize", "/oauth/signin", "/oauth/account", "/introspect"])
async def test_web_pages_of_others_may_not_ask_what_has_one(tmp_path, path):
    async with stage(tmp_path) as at:
        asked = {"origin": "https://inspector.example", "access-control-request-method": "POST"}
        for method in ("OPTIONS", "GET", "POST"):
            answer = await at.ana.http.request(method, path, headers=asked)
            assert "access-control-allow-origin" not in answer.headers
            assert answer.status_code >= 300 or method == "GET"


@pytest.mark.parametrize("path", ["/token", "/register", "/revoke", "/introspect"])
async def test_an_endpoint_of_clients_answers_json_that_nobody_keeps(tmp_path, path):
    async with stage(tmp_path) as at:
        wrong = ("text/plain", "multipart/form-data", "")
        for kind in (*wrong, "application/json", "application/x-www-form-urlencoded"):
            for body in (b"", b"\xff\x00", b"{", b"grant_type=x", b"[" * 60_000, b"a=%zz"):
                headers = {"content-type": kind} if kind else {}
                answer = await at.ana.http.post(path, content=body, headers=headers)
                assert 400 <= answer.status_code < 500
                assert set(answer.json()) == {"error", "error_description"}
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["pragma"] == "no-cache"
                assert answer.headers["content-type"] == "application/json"
                if kind in wrong:
                    assert answer.status_code == 400


async def test_a_method_that_is_not_offered_is_told_which_are(tmp_path):
    async with stage(tmp_path) as at:
        page = await at.ana.http.delete("/authorize")
        assert page.status_code == 405
        assert {word.strip() for word in page.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}
        check_page(page.headers)
        told = await at.ana.http.get("/token")
        assert told.status_code == 405
        assert told.json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/token", "/register", "/authorize", "/oauth/signin"])
async def test_more_than_64_kilobytes_are_not_read(tmp_path, path):
    async with stage(tmp_path) as at:
        assert (await at.ana.http.post(path, content=b"a" * 65_536)).status_code < 413
        answer = await at.ana.http.post(path, content=b"a" * 65_537)
        assert answer.status_code == 413
        if path == "/token":
            assert answer.json()["error"] == "invalid_request"
        elif path == "/authorize":
            check_page(answer.headers)


async def test_a_request_for_another_host_is_refused(tmp_path):
    async with stage(tmp_path) as at:
        for path in ("/oauth/signin", "/token"):
            assert (await at.ana.http.get(path, headers={"host": "evil.example"})).status_code == 421


async def test_the_name_of_an_app_can_neither_hide_nor_turn_the_page_around(tmp_path):
    async with stage(tmp_path) as at:
        evil = "<b>Claude</b>\u202e\u200b\u2066 — verified as claude.ai\u0000" + "a\u0301\u0301\u0301\u0301\u0301"
        client = await register(at.ana.http, evil[:100])
        page = await at.ana.open(client.url(f"{PUBLIC}/research/linear/mcp"))
        for hidden in "\u202e\u200b\u2066\u0000":
            assert hidden not in page.response.text
        assert "<b>" not in page.response.text
        assert "unverified" in page.text


async def test_names_of_servers_and_workspaces_are_shown_as_text(tmp_path):
    async with stage(tmp_path) as at:
        await at.gw.apply(
            {
                "servers": [
                    {
                        "slug": "linear",
                        "name": "<img src=x>\u202eLinear",
                        "url": "http://127.0.0.1:9/mcp",
                        "workspaces": ["research"],
                    }
                ]
            }
        )
        page = await at.ana.open((await register(at.ana.http)).url(f"{PUBLIC}/research/linear/mcp"))
        assert "<img src=x>⟨U+202E⟩Linear in Research" in page.text
        assert "&lt;img src=x&gt;⟨U+202E⟩Linear" in page.response.text


async def test_half_a_character_in_a_registration_breaks_nothing(tmp_path):
    async with stage(tmp_path) as at:
        body = json.dumps({"client_name": "x\ud800", "redirect_uris": ["http://localhost/"], "client_uri": "\udfff"})
        answer = await at.ana.http.post("/register", content=body, headers={"content-type": "application/json"})
        assert answer.status_code < 500


async def test_style_and_icon_are_kept_by_the_browser_and_change_their_address_with_their_content(tmp_path):
    async with stage(tmp_path) as at:
        page = (await at.ana.open("/oauth/signin")).response.text
        address = page.partition('href="')[2].partition('"')[0]
        assert address.startswith("/oauth/style.css?")
        for path, kind in ((address, "text/css; charset=utf-8"), ("/oauth/icon.svg", "image/svg+xml")):
            answer = await at.ana.http.get(path)
            assert answer.headers["content-type"] == kind
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
