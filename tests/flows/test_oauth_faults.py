"""When something of ours is broken: words, no details, and nothing secret in any log."""

import logging
from dataclasses import replace
from typing import Any

from gateway_core.compose_oauth import oauth_api
from gateway_core.errors import StoreUnavailable
from gateway_core.settings import Settings
from gateway_core.signin.cookies import cookie_name, new_value
from tests.flows.browsers import PASSWORD, PUBLIC, Browser, register, stage
from tests.flows.gateways import gateway


class Broken:
    """See ports.Table: every verb fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, verb: str) -> Any:
        async def fails(*_: Any, **__: Any) -> Any:
            raise self.error

        return fails


async def broken(gw, folder, error: Exception) -> Browser:
    """A browser before pages whose store fails."""
    table: Any = Broken(error)
    app = oauth_api(Settings(public_url=PUBLIC, gatehouse_data=folder), replace(gw.world, table=table))
    browser = Browser(app)
    browser.http.cookies.set(cookie_name(PUBLIC), new_value(), domain="127.0.0.1")
    return browser


async def test_without_the_store_nobody_comes_in_and_everybody_is_told_to_come_back(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        browser = await broken(gw, tmp_path, StoreUnavailable("The store does not answer."))
        for path in ("/oauth/account", "/authorize?client_id=x", "/oauth/signin"):
            page = await browser.http.get(path)
            assert page.status_code == 503
            assert "Try again in a moment." in page.text
            assert page.headers["x-frame-options"] == "DENY"
        told = await browser.http.post("/token", data={"grant_type": "refresh_token", "client_id": "c-22222222"})
        assert (told.status_code, told.json()["error"]) == (503, "server_error")
        # Which ways in there are stands in the store; what a resource is does not.
        assert (await browser.http.get("/.well-known/oauth-authorization-server")).status_code == 503
        assert (await browser.http.get("/.well-known/oauth-protected-resource/x/mcp")).status_code == 200
        await browser.close()


async def test_a_mistake_of_ours_ends_as_a_page_that_says_nothing_about_it(tmp_path, caplog):
    async with gateway(tmp_path, {}) as gw:
        browser = await broken(gw, tmp_path, RuntimeError("table gatehouse-7 at 10.0.0.3"))
        page = await browser.http.get("/oauth/account")
        assert page.status_code == 500
        assert "The gateway made a mistake" in page.text
        assert "10.0.0.3" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        told = await browser.http.post("/token", data={"grant_type": "refresh_token", "client_id": "c-22222222"})
        assert (told.status_code, told.json()["error"]) == (500, "server_error")
        assert [record.getMessage() for record in caplog.records if record.exc_info] == ["request_failed"] * 2
        await browser.close()


async def test_no_log_line_holds_a_secret(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with stage(tmp_path) as at:
        link = await at.gw.oauth.setup_link()
        assert link is not None
        ben = at.browser()
        page = await ben.open(link)
        await ben.submit(page, "/oauth/setup", name="Ben", email="ben@example.com", password=PASSWORD)
        client = await register(ben.http)
        page = await ben.open(client.url(f"{PUBLIC}/research/linear/mcp"))
        code = (await ben.submit(page, "/authorize", "allow")).parameters["code"]
        tokens = (await client.redeem(ben.http, code)).json()
        again = (await client.redeem(ben.http, code)).json()
        assert again["error"] == "invalid_grant"
        page = await ben.open("/oauth/signin?next=/oauth/account")
        secrets = [
            link.partition("token=")[2], PASSWORD, code, client.verifier, tokens["access_token"],
            tokens["refresh_token"], ben.http.cookies[cookie_name(PUBLIC)],
        ]  # fmt: skip
        # The test's own HTTP client logs the addresses that it asks; nothing of it is ours.
        lines = [str(vars(record)) for record in caplog.records if not record.name.startswith(("httpx2", "httpcore2"))]
        assert lines
        assert [secret for secret in secrets if any(secret in line for line in lines)] == []
