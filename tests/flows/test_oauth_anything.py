"""Whatever is sent: an answer with words, never a fault of ours, never a redirect to somewhere that nobody chose."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.signin.cookies import cookie_name, csrf_token
from tests.flows.browsers import PUBLIC, Stage, register, stage

PATHS = ("/authorize", "/oauth/signin", "/oauth/callback", "/oauth/setup", "/oauth/join", "/oauth/account",
         "/oauth/signout", "/token", "/register", "/revoke", "/introspect", "/.well-known/x", "/oauth/x")  # fmt: skip
NAMES = ("client_id", "redirect_uri", "response_type", "code_challenge", "code_challenge_method", "state", "scope",
         "resource", "next", "token", "csrf", "request", "decision", "workspace", "email", "password", "name", "what",
         "place", "id", "grant_type", "code", "refresh_token", "code_verifier", "client_secret", "ended")  # fmt: skip
BITS = ("%", "%00", "%0d%0a", "%ff", "%c3%a9", "%E2%80%AE", "&", "=", "+", ";", "#", "/", "//", "\\", "'", '"', "<",
        "allow", "deny", "code", "S256", "grant", "org", PUBLIC, "http://localhost/", "http://evil.example/",
        "a" * 3000, "GOOD_CLIENT", "GOOD_CSRF", "GOOD_REQUEST")  # fmt: skip
bits = st.sampled_from(BITS)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.lists(bits, max_size=3).map("".join)), max_size=12)


@pytest.fixture(scope="module")
def running():
    """A stage that many examples share, and the loop that it runs in."""
    loop = asyncio.new_event_loop()
    opened = AsyncExitStack()
    with tempfile.TemporaryDirectory() as folder:
        at = loop.run_until_complete(opened.enter_async_context(stage(Path(folder))))
        client = loop.run_until_complete(register(at.ana.http))
        page = loop.run_until_complete(at.ana.open(client.url(f"{PUBLIC}/research/linear/mcp")))
        good = {"GOOD_CLIENT": client.id, "GOOD_CSRF": csrf_token(at.ana.http.cookies[cookie_name(PUBLIC)])}
        good["GOOD_REQUEST"] = page.form("/authorize").fields["request"]
        yield loop, at, good
        loop.run_until_complete(opened.aclose())
    loop.close()


@settings(max_examples=400, deadline=None)
@given(
    asked=st.tuples(st.sampled_from(("GET", "POST", "HEAD", "PUT", "OPTIONS")), st.sampled_from(PATHS)),
    kind=st.sampled_from(("application/x-www-form-urlencoded", "application/json", "text/plain")),
    query=pairs,
    body=st.one_of(pairs, st.binary(max_size=200)),
    cookie=st.sampled_from(("", "gatehouse-8787=x", "gatehouse-8787=;gatehouse-8787=", "\xff=\xff")),
)
def test_no_request_whatsoever_breaks_anything(running, asked, kind, query, body, cookie):
    (loop, at, good), (method, path) = running, asked
    if path == "/oauth/signout":
        # Else Ana is gone for the rest of the examples.
        good = {**good, "GOOD_CSRF": "x"}
    sent = body if isinstance(body, bytes) else written(body, good).encode()
    answer = loop.run_until_complete(ask(at, method, f"{path}?{written(query, good)}", sent, kind, cookie))
    assert answer["status"] < 500
    location = dict(answer["headers"]).get(b"location", b"/oauth/account").decode()
    assert location.startswith(("/oauth/", "/authorize?", "http://localhost:64041/callback?"))


def written(given: list[tuple[str, str]], good: dict[str, str]) -> str:
    text = "&".join(f"{name}={value}" for name, value in given)
    for name, value in good.items():
        text = text.replace(name, value)
    return text


async def ask(at: Stage, method: str, url: str, body: bytes, kind: str, cookie: str) -> dict[str, Any]:
    """Send bytes as they are: HTTP clients would tidy them up."""
    path, _, query = url.partition("?")
    held = cookie or f"{cookie_name(PUBLIC)}={at.ana.http.cookies[cookie_name(PUBLIC)]}"
    headers = [
        (b"host", b"127.0.0.1:8787"), (b"origin", PUBLIC.encode()), (b"content-type", kind.encode()),
        (b"cookie", held.encode("latin-1")),
    ]  # fmt: skip
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "scheme": "http",
             "query_string": query.encode("latin-1"), "headers": headers, "client": ("203.0.113.9", 1),
             "server": ("127.0.0.1", 8787), "root_path": "", "http_version": "1.1"}  # fmt: skip
    seen: dict[str, Any] = {}
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return pending.pop() if pending else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        seen.update(message)

    at.gw.clock[0] += 1
    await at.gw.front(scope, receive, send)
    return seen
