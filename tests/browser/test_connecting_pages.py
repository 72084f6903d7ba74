"""A real browser connects an account at a server, and takes it away: narrow and dark, without any script."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import chromium, person
from tests.browser.test_pages import check, set_up
from tests.flows.tracker import Tracker, tracker
from tests.gateway_process import Gateway, gateway

pytestmark = pytest.mark.tools
PAGE = "/connect/demo-team/tracker"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def tracking(gate: Gateway, granularity: str = "user") -> Iterator[Tracker]:
    """A server with accounts, in a thread of its own, registered at the gateway."""
    loop, running = asyncio.new_event_loop(), threading.Event()
    made: list[Tracker] = []
    ending = asyncio.Event()

    async def serve() -> None:
        async with tracker(callback=f"{gate.origin}/oauth/upstream-callback") as server:
            made.append(server)
            running.set()
            await ending.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert running.wait(10)
    entry = {"slug": "tracker", "name": "Tracker", "url": f"{made[0].url}/mcp", "workspaces": ["demo-team"]}
    file = gate.data / "tracker.yaml"
    file.write_text(json.dumps({"servers": [{**entry, "auth": {"type": "oauth", "granularity": granularity}}]}))
    gate.gatehouse("apply", "-f", str(file))
    yield made[0]
    loop.call_soon_threadsafe(ending.set)
    thread.join()
    loop.close()


def test_a_person_connects_an_account_sees_it_and_takes_it_away_without_any_script(tmp_path, browser):
    with gateway(tmp_path) as gate, person(browser) as page, tracking(gate) as server:
        set_up(page, gate)
        page.goto(gate.origin + PAGE)
        # Chromium holds the page's form-action against where this leads.
        page.get_by_role("button", name="Continue to 127.0.0.1").click()
        expect(page.get_by_role("heading", name="Tracker is connected")).to_be_visible()
        expect(page.get_by_role("status")).to_contain_text("Go back to your app")
        assert "code=" not in page.url
        page.get_by_role("link", name="My access").click()
        expect(page.get_by_role("heading", name="Your accounts at servers")).to_be_visible()
        page.get_by_role("link", name="Connect Tracker again").click()
        expect(page.get_by_role("heading", name="Connect Tracker again?")).to_be_visible()
        page.get_by_role("button", name="Disconnect").click()
        expect(page.get_by_role("status")).to_contain_text("its permission was taken back where it came from")
        assert server.revoked == ["refresh-1-ana", "access-1-ana"]
        server.person = {"error": "access_denied"}
        page.goto(gate.origin + PAGE)
        page.get_by_role("button", name="Continue to 127.0.0.1").click()
        expect(page.get_by_role("heading", name="Nothing was connected")).to_be_visible()
        expect(page.get_by_text("You did not allow this gateway to use your account at Tracker")).to_be_visible()
        page.get_by_role("link", name="Try to connect it again").click()
        expect(page.get_by_role("heading", name="Connect Tracker?")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_of_it_is_accessible_and_fits(tmp_path, browser, scheme, width):
    with gateway(tmp_path) as gate, person(browser, width=width, scheme=scheme, script=True) as page:
        set_up(page, gate)
        with tracking(gate, "workspace") as server:
            server.scope = " ".join(f"https://scopes.example/{'long-' * 12}{n}" for n in range(3))
            page.goto(gate.origin + PAGE)
            check(page, "Connect Tracker?")
            page.get_by_role("button", name=re.compile("Continue")).click()
            check(page, "Tracker is connected")
        with tracking(gate) as server:
            page.goto(f"{gate.origin}/oauth/account")
            check(page, "My access")
            page.get_by_role("link", name="Connect Tracker", exact=True).click()
            check(page, "Connect Tracker?")
            page.get_by_role("button", name=re.compile("Continue")).click()
            page.goto(f"{gate.origin}/oauth/account")
            check(page, "My access")
            page.goto(gate.origin + PAGE)
            check(page, "Connect Tracker again?")
            server.said = {"authorization_endpoint": "javascript:alert(1)"}
            page.goto(gate.origin + PAGE)
            check(page, "Connect Tracker again?")
            page.goto(f"{gate.origin}/connect/nothing-that-was-sealed")
            check(page, "Nothing was connected")
