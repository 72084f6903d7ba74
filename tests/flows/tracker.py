"""A server with accounts, for flows that connect one: an MCP server that takes the tokens of its own authorization
server, which is strict about what it is asked. On one port of 127.0.0.1, over real HTTP.

Whatever a client does wrong ends up in `complaints`, which `tracker` wants empty at the end.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.asgi import headers_of, read_body
from tests.canary.marks import marked
from tests.flows.browsers import PUBLIC, Browser, Page, Stage, stage
from tests.flows.gateways import Gateway
from tests.flows.token_servers import Form, read_form
from tests.flows.upstreams import Asked, Json, Respond, result, serving

CALLBACK = f"{PUBLIC}/oauth/upstream-callback"
PAGE = "/connect/research/tracker"


@dataclass
class Tracker:
    """Change its fields to make it another kind of authorization server, or one that lies."""

    url: str = ""
    callback: str = CALLBACK
    moved: str = ""
    """Path of the issuer, for an authorization server that goes by another name than before."""
    person: dict[str, str] = field(default_factory=dict)
    """How `visit` goes for browsers that come here by themselves."""
    said: Json = field(default_factory=dict)
    """Members of its metadata that replace the true ones; None leaves one out."""
    scope: str = "read"
    """What the challenge asks for."""
    names_issuer: bool = True
    """Whether its answers at the callback do (RFC 9207)."""
    answers: Json = field(default_factory=dict)
    """What its token endpoint says besides, or instead."""
    refusal: Json | None = None
    """What its token endpoint answers instead of a token."""
    revokes: bool = True
    """Whether its revocation endpoint works."""
    clients: dict[str, str] = field(default_factory=dict)
    """Ids of clients, and how each proves itself."""
    codes: dict[str, Json] = field(default_factory=dict)
    """Codes that were not used yet, with the request they answer; `person` is who logged in."""
    tokens: dict[str, Json] = field(default_factory=dict)
    """Tokens that are good: whose they are, and what for."""
    asked: list[Json] = field(default_factory=list)
    """Authorization requests."""
    forms: list[Form] = field(default_factory=list)
    """Requests to the token endpoint."""
    revocations: list[Form] = field(default_factory=list)
    """Requests to the revocation endpoint."""
    revoked: list[str] = field(default_factory=list)
    registrations: list[Json] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"{self.url}{self.moved}"

    def visit(self, url: str, person: str = "ana", *, error: str = "", **changed: str) -> str:
        """Where the browser of `person` is sent who follows `url`, logs in and agrees; `changed` are parameters of the
        answer that are others."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.url}/authorize"
        pairs = parse_qsl(parts.query, strict_parsing=True)
        asked = dict(pairs)
        self._want(len(asked) == len(pairs), "a parameter came twice")
        self._want(asked.get("response_type") == "code", "response_type")
        self._want(asked.get("client_id") in self.clients, "unknown client")
        self._want(asked.get("redirect_uri") == self.callback, "redirect_uri")
        self._want(asked.get("code_challenge_method") == "S256", "PKCE")
        self._want(len(asked.get("code_challenge", "")) == len(asked.get("state", "")) == 43, "256 bits each")
        self._want(asked.get("resource") == f"{self.url}/mcp", "resource")
        self.asked.append(asked)
        answer = {"state": asked["state"], **({"iss": self.issuer} if self.names_issuer else {})}
        if error:
            answer["error"] = error
        else:
            answer["code"] = marked(secrets.token_urlsafe(16))
            self.codes[answer["code"]] = {**asked, "person": person}
        return f"{self.callback}?{urlencode({name: value for name, value in {**answer, **changed}.items() if value})}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, headers, respond = await read_body(receive), headers_of(scope), Respond(send)
        match scope["method"], scope["path"]:
            case "POST", "/mcp":
                await self._mcp(headers, body, respond)
            case "GET", "/.well-known/oauth-protected-resource/mcp":
                await respond.json({"resource": f"{self.url}/mcp", "authorization_servers": [self.issuer]})
            case "GET", path if path == f"/.well-known/oauth-authorization-server{self.moved}":
                await respond.json(self._metadata())
            case "GET", "/authorize":
                back = self.visit(f"{self.url}/authorize?{scope['query_string'].decode()}", **self.person)
                await respond.raw(b"", 303, {"location": back})
            case "POST", "/register":
                await respond.json(self._register(json.loads(body)), 201)
            case "POST", "/token":
                status, answer = self._token(read_form(headers, body))
                await respond.json(answer, status)
            case "POST", "/revoke":
                self.revocations.append(read_form(headers, body))
                self.revoked.append(self.revocations[-1].fields["token"])
                self.tokens.pop(self.revoked[-1], None)
                await respond.raw(b"", 200 if self.revokes else 503)
            case _:
                await respond.raw(b"", 404)

    async def _mcp(self, headers: dict[str, str], body: bytes, respond: Respond) -> None:
        known = self.tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
        asked = Asked("POST", headers, json.loads(body), respond)
        if known is None:
            challenge = f'Bearer scope="{self.scope}"'
            await respond.raw(b"", 401, {"www-authenticate": challenge})
        elif asked.rpc == "server/discover":
            await respond.json(result(asked, {"supportedVersions": ["2026-07-28"], "capabilities": {}}))
        elif asked.rpc == "tools/list":
            await respond.json(result(asked, {"tools": [{"name": "whoami"}], "resultType": "complete"}))
        elif asked.message["params"].get("name") == "write" and "write" not in known["scope"].split():
            challenge = 'Bearer error="insufficient_scope", scope="write"'
            await respond.raw(b"", 403, {"www-authenticate": challenge})
        else:
            said = {"content": [{"type": "text", "text": f"I am {known['person']}."}], "resultType": "complete"}
            await respond.json(result(asked, said))

    def _metadata(self) -> Json:
        true = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "registration_endpoint": f"{self.url}/register",
            "revocation_endpoint": f"{self.url}/revoke",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": self.names_issuer,
        }
        return {name: value for name, value in {**true, **self.said}.items() if value is not None}

    def _register(self, asked: Json) -> Json:
        self.registrations.append(asked)
        self._want(asked["redirect_uris"] == [self.callback], "redirect_uris")
        client_id = f"client-{len(self.registrations)}"
        self.clients[client_id] = asked["token_endpoint_auth_method"]
        return {"client_id": client_id, "token_endpoint_auth_method": asked["token_endpoint_auth_method"]}

    def _token(self, form: Form) -> tuple[int, Json]:
        self.forms.append(form)
        if self.refusal is not None:
            return 400, self.refusal
        if form.grant == "refresh_token":
            return 400, {"error": "invalid_grant"}
        asked = self.codes.pop(form.fields.get("code", ""), None)
        if asked is None:
            self.complaints.append("a code that is not good")
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.fields["code_verifier"].encode()).digest()
        wrong = [name for name in ("client_id", "redirect_uri", "resource") if form.fields.get(name) != asked[name]]
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"] or wrong:
            self.complaints.append(f"a code for another {wrong or 'verifier'}")
            return 400, {"error": "invalid_grant"}
        made = {"person": asked["person"], "scope": asked.get("scope", "")}
        access, refresh = f"access-{len(self.forms)}-{made['person']}", f"refresh-{len(self.forms)}-{made['person']}"
        self.tokens |= {access: made, refresh: made}
        return 200, {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": 3600,
            **self.answers,
        }

    def _want(self, holds: bool, what: str) -> None:
        if not holds:
            self.complaints.append(what)


@asynccontextmanager
async def tracker(**fields: Any) -> AsyncIterator[Tracker]:
    made = Tracker(**fields)
    async with serving(made) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
        assert made.complaints == []


@dataclass
class Scene:
    """A gateway with the server `tracker`, and people with browsers."""

    at: Stage
    tracker: Tracker

    @property
    def gw(self) -> Gateway:
        return self.at.gw

    async def set_up(self, auth: Json | None = None, **changed: Any) -> None:
        """Change how the server is registered."""
        entry = {"slug": "tracker", "name": "Tracker", "url": f"{self.tracker.url}/mcp", "workspaces": ["research"]}
        await self.gw.apply({"servers": [{**entry, "auth": {"type": "oauth", **(auth or {})}, **changed}]})

    async def key(self, email: str) -> str:
        """A key of a person, for calls."""
        key, _ = await self.gw.new_key(kind="user", subject=email)
        return key

    async def called(self, key: str, name: str = "whoami") -> str:
        """All that a client hears of a call."""
        response = await self.gw.modern(
            "/research/tracker/mcp", "tools/call", {"name": name, "arguments": {}}, authorization=f"Bearer {key}"
        )
        return response.text


@asynccontextmanager
async def scene(folder: Any, auth: Json | None = None, **fields: Any) -> AsyncIterator[Scene]:
    async with tracker(**fields) as server, stage(folder) as at:
        made = Scene(at, server)
        await made.set_up(auth)
        yield made


async def left(browser: Browser, path: str = PAGE) -> str:
    """The address that the browser is sent to by the button on the page."""
    page: Page = await browser.open(path)
    (action,) = [form.action for form in page.forms if form.action.startswith("/connect") and "dis" not in form.action]
    page = await browser.submit(page, action)
    assert not page.url.startswith(browser.public), page.text
    return page.url
