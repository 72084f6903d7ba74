"""A real browser walks the pages: set-up, sign-in, consent, denial, invitation, one's own access; narrow and dark."""

import json
import re
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium, faults, person
from tests.certificates import self_signed
from tests.gateway_process import Gateway, gateway

pytestmark = pytest.mark.tools
PASSWORD = "a sentence of a few words"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@dataclass
class App:
    """A program on the person's computer, which waits for the browser to come back."""

    redirect_uri: str
    client_id: str = ""
    returned: list[dict[str, str]] = field(default_factory=list)

    def asks(self, gate: Gateway, name: str = "Claude Code (gw)", **changed: str) -> str:
        """The link that it opens, once it has introduced itself."""
        metadata = json.dumps({"client_name": name, "redirect_uris": [self.redirect_uri]}).encode()
        request = urllib.request.Request(
            f"{gate.origin}/register", metadata, {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.client_id = json.load(answer)["client_id"]
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": self.redirect_uri, "state": "st",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changed,
        }  # fmt: skip
        return f"{gate.origin}/authorize?{urlencode(asked)}"


@contextmanager
def app(tls: ssl.SSLContext | None = None) -> Iterator[App]:
    """With `tls` it is one on the web, which sends the browser on to another site of its own."""
    made = App("")

    class Callback(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            # Browsers ask for an icon too.
            if address.path == "/callback":
                made.returned.append({name: values[0] for name, values in parse_qs(address.query).items()})
            onward = tls is not None and address.path == "/callback"
            self.send_response(302 if onward else 200)
            if onward:
                self.send_header("location", f"https://localhost:{urlsplit(made.redirect_uri).port}/welcome")
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Back</title><p>Back in the app.")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Callback) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        made.redirect_uri = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/callback"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def setup_link(gate: Gateway) -> str:
    """The link that the gateway printed when it started."""
    found = re.search(r"http://\S+/oauth/setup\?token=\S+", (gate.data.parent / "gateway.log").read_text())
    assert found is not None
    return found[0]


def set_up(page: Page, gate: Gateway) -> None:
    """Ana becomes the owner."""
    page.goto(setup_link(gate))
    page.get_by_label("Your name").fill("Ana Ruiz")
    page.get_by_label("E-mail address").fill("ana@example.com")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Become the owner").click()
    expect(page.get_by_role("heading", name="My access")).to_be_visible()


def resource(gate: Gateway) -> str:
    return f"{gate.origin}/demo-team/demo/mcp"


def test_a_person_sets_up_signs_in_lets_an_app_in_and_puts_it_out_without_any_script(tmp_path, browser):
    with gateway(tmp_path) as gate, app() as asking, person(browser) as page:
        set_up(page, gate)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
        page.goto(asking.asks(gate, resource=resource(gate)))
        page.get_by_label("E-mail address").fill("ana@example.com")
        page.get_by_label("Password").fill("not this one, sorry")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("An app calling itself Claude Code (gw) — unverified")).to_be_visible()
        expect(page.get_by_text("Demo in Demo team")).to_be_visible()
        page.get_by_role("button", name="Allow").click()
        # Chromium holds the page's form-action against this redirect.
        expect(page.get_by_text("Back in the app.")).to_be_visible()
        assert asking.returned[0]["code"].startswith("ghc_")
        assert asking.returned[0]["state"] == "st"
        redeem(gate, asking)
        page.goto(f"{gate.origin}/oauth/account")
        expect(page.get_by_text(resource(gate), exact=True)).to_be_visible()
        expect(page.get_by_role("heading", name="Claude Code (gw)")).to_be_visible()
        page.get_by_role("button", name="Revoke").click()
        expect(page.get_by_role("status")).to_contain_text("has no access any more")


def test_a_person_who_types_another_name_of_the_machine_signs_in_and_out_all_the_same(tmp_path, browser):
    with gateway(tmp_path) as gate, person(browser) as page:
        set_up(page, gate)
        page.get_by_role("button", name="Sign out").click()
        page.goto(gate.origin.replace("127.0.0.1", "localhost"))
        page.get_by_label("E-mail address").fill("ana@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="My access")).to_be_visible()
        assert page.url == f"{gate.origin}/oauth/account"


def test_a_person_who_clicks_twice_is_let_in_all_the_same(tmp_path, browser):
    with gateway(tmp_path) as gate, person(browser) as page:
        given_up: list[str] = []
        page.on("requestfailed", lambda request: given_up.append(request.method))
        page.goto(setup_link(gate))
        page.get_by_label("Your name").fill("Ana Ruiz")
        for button, between_ms in (("Become the owner", 25), ("Sign in", 10), ("Sign in", 25), ("Sign in", 60)):
            page.get_by_label("E-mail address").fill("ana@example.com")
            page.get_by_label("assword").fill(PASSWORD)
            page.get_by_role("button", name=button).dblclick(no_wait_after=True, delay=between_ms)
            expect(page.get_by_role("heading", name="My access")).to_be_visible()
            page.get_by_role("button", name="Sign out").click()
            page.goto(f"{gate.origin}/oauth/signin")
        # Chromium gave the answer to a first click up, which had the new cookie.
        assert "POST" in given_up


def test_a_person_who_denies_goes_back_to_the_app_and_so_does_one_without_access(tmp_path, browser):
    with gateway(tmp_path) as gate, app() as asking, person(browser) as page:
        set_up(page, gate)
        page.goto(asking.asks(gate))
        page.get_by_label("Demo team")
        page.get_by_role("button", name="Deny").click()
        expect(page.get_by_text("Back in the app.")).to_be_visible()
        page.goto(asking.asks(gate, resource=f"{gate.origin}/demo-team/nowhere/mcp"))
        expect(page.get_by_text("There is no server nowhere in Demo team")).to_be_visible()
        page.get_by_role("button", name="Return to Claude Code (gw)").click()
        expect(page.get_by_text("Back in the app.")).to_be_visible()
        assert [answer["error"] for answer in asking.returned] == ["access_denied", "access_denied"]


def test_an_app_on_the_web_may_send_the_person_on_to_wherever_it_likes(tmp_path, browser):
    tls = self_signed(tmp_path, "127.0.0.1")
    with gateway(tmp_path) as gate, app(tls) as asking, person(browser) as page:
        set_up(page, gate)
        page.goto(asking.asks(gate, resource=resource(gate)))
        page.get_by_role("button", name="Allow").click()
        # Held against each step of the way, form-action would leave the person before a button that does nothing.
        expect(page.get_by_text("Back in the app.")).to_be_visible()
        assert page.url.startswith("https://localhost:")
        assert asking.returned[0]["code"].startswith("ghc_")


def test_an_invited_person_joins_and_lets_an_app_in_as_themselves(tmp_path, browser):
    with gateway(tmp_path) as gate, app() as asking, person(browser) as ana, person(browser) as ben:
        set_up(ana, gate)
        ben.goto(invite(gate, "ben@example.com"))
        expect(ben.get_by_text("ben@example.com")).to_be_visible()
        ben.get_by_label("Your name").fill("Ben Ode")
        ben.get_by_label("New password").fill(PASSWORD)
        ben.get_by_role("button", name="Join").click()
        expect(ben.get_by_role("heading", name="My access")).to_be_visible()
        ben.goto(asking.asks(gate))
        expect(ben.get_by_text("ben@example.com")).to_be_visible()
        ben.get_by_role("button", name="Allow").click()
        expect(ben.get_by_text("Back in the app.")).to_be_visible()
        assert "code" in asking.returned[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_is_accessible_and_fits(tmp_path, browser, scheme, width):
    with gateway(tmp_path) as gate, app() as asking, person(browser, width=width, scheme=scheme, script=True) as page:
        check_pages_before_signing_in(page, gate)
        set_up(page, gate)
        check(page, "My access")
        second_workspace(gate)
        name = "Name that goes on and on without_a_single_blank_in_it_so_that_it_breaks"
        for changed in ({"resource": resource(gate)}, {}):
            page.goto(asking.asks(gate, name, **changed))
            check(page, "Let this app in?")
        page.get_by_text("Demo team", exact=True).click()
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_text("Back in the app.")).to_be_visible()
        redeem(gate, asking)
        many_servers(gate)
        gate.gatehouse("keys", "create", "--workspace", "demo-team", "--user", "ana@example.com", "--quiet")
        page.goto(f"{gate.origin}/oauth/account")
        check(page, "My access")
        page.goto(asking.asks(gate, code_challenge_method="plain"))
        check(page, "This app cannot be let in")
        page.goto(invite(gate, f"{'somebody-with-a-long-address' * 2}@example.com"))
        check(page, "This invitation is for somebody else")
        page.goto(f"{gate.origin}/oauth/signout")
        check(page, "Sign out?")
        page.get_by_role("button", name="Sign out").click()
        check(page, "You are signed out")


def check_pages_before_signing_in(page: Page, gate: Gateway) -> None:
    page.goto(setup_link(gate))
    check(page, "Set up this gateway")
    page.goto(f"{gate.origin}/oauth/signin")
    check(page, "Sign in")
    page.get_by_label("E-mail address").fill("ana@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    check(page, "Sign in")
    page.goto(invite(gate, "ben@example.com"))
    check(page, "You are invited")
    page.goto(f"{gate.origin}/authorize?client_id=nobody")
    check(page, "This app is not known here")


def check(page: Page, heading: str) -> None:
    """The page is the one that was meant, axe finds nothing, and nobody scrolls sideways."""
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = page.evaluate(
        "[...document.querySelectorAll('button, input:not([type=hidden]):not([type=radio])')]"
        ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
    )
    assert small == []


def redeem(gate: Gateway, asking: App) -> None:
    """The app takes its tokens: only then there is a grant."""
    # The verifier of RFC 7636, appendix B.
    form = {
        "grant_type": "authorization_code", "code": asking.returned[-1]["code"], "redirect_uri": asking.redirect_uri,
        "client_id": asking.client_id, "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }  # fmt: skip
    urllib.request.urlopen(f"{gate.origin}/token", urlencode(form).encode(), timeout=10).close()


def invite(gate: Gateway, email: str) -> str:
    """The link that an administrator gives to somebody of the demo team."""
    told = gate.gatehouse("members", "invite", email, "--workspace", "demo-team")
    found = re.search(r"http://\S+/oauth/join\?token=\S+", told)
    assert found is not None, told
    return found[0]


def many_servers(gate: Gateway) -> None:
    """Names and addresses that are longer than a narrow line."""
    servers = [
        {"slug": f"{'long-' * 11}{n}", "name": f"{'Name_without_a_blank' * 4} {n}", "url": "http://127.0.0.1:9/mcp",
         "workspaces": ["demo-team"]}
        for n in range(3)
    ]  # fmt: skip
    file = gate.data / "many.yaml"
    file.write_text(json.dumps({"servers": servers}))
    gate.gatehouse("apply", "-f", str(file))


def second_workspace(gate: Gateway) -> None:
    """With two, there is something to choose."""
    file = gate.data / "second.yaml"
    file.write_text(json.dumps({"workspaces": [{"slug": "second", "name": "Second"}]}))
    gate.gatehouse("apply", "-f", str(file))
