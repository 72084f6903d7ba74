"""An OpenID provider for tests: strict about what it is asked, and it lies where a test tells it to.

Real HTTP on 127.0.0.1. Whatever a client does wrong ends up in `complaints`, which `provider` wants empty at the end.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.asgi import headers_of, read_body
from tests.canary.marks import marked
from tests.flows.upstreams import Respond, serving

Json = dict[str, Any]
CLIENT_ID = "gatehouse client/1"
CLIENT_SECRET = marked("s3cret+/=&ü")
CALLBACK = "http://127.0.0.1:8787/oauth/callback"
RSA_KEY = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC_KEY = ECKey.generate_key("P-256", {"kid": "ec-1"})
ED_KEY = OKPKey.generate_key("Ed25519", {"kid": "ed-1"})
ANA: Json = {"sub": "248289761001", "email": "ana@acme.dev", "email_verified": True, "name": "Ana Díaz"}

Answer = Callable[[Respond], Coroutine[Any, Any, None]]


class Refusal(Exception):
    """What the client did wrong, as an OAuth error."""


@dataclass
class FakeProvider:
    """The provider. Change its fields to make it lie."""

    clock: Callable[[], int]
    url: str = ""
    person: Json = field(default_factory=lambda: dict(ANA))
    """Claims of whoever signs in; the ID token has those, and what the protocol needs."""
    told: Json = field(default_factory=dict)
    """Claims of the ID token that replace the true ones; None leaves one out."""
    metadata: Json = field(default_factory=dict)
    """Fields of the discovery document that replace the true ones; None leaves one out."""
    answers: dict[str, Answer] = field(default_factory=dict)
    """Instead of the true answer, by path."""
    userinfo: Json | None = None
    auth: str = "client_secret_basic"
    alg: str = "RS256"
    key: Key = field(default_factory=lambda: RSA_KEY)
    header: Json = field(default_factory=dict)
    """Header of the ID token, besides `alg` and `kid`; None leaves one out."""
    published: list[Any] = field(default_factory=lambda: [k.as_dict(private=False) for k in (RSA_KEY, EC_KEY, ED_KEY)])
    token: Callable[[Json], str] | None = None
    """Makes the ID token of its claims, instead of signing them."""
    codes: dict[str, Json] = field(default_factory=dict)
    access: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    """Paths, in order."""
    complaints: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, headers, respond = await read_body(receive), headers_of(scope), Respond(send)
        path, query = scope["path"], scope["query_string"].decode()
        self.asked.append(path)
        if path in self.answers:
            await self.answers[path](respond)
            return
        try:
            match path:
                case "/.well-known/openid-configuration":
                    await respond.json(self.document())
                case "/authorize":
                    await respond.raw(b"", 302, {"location": self.authorize(query)})
                case "/token":
                    await respond.json(self._token(headers, body))
                case "/keys":
                    await respond.json({"keys": self.published})
                case "/userinfo" if headers.get("authorization", "")[7:] in self.access:
                    await respond.json(self.userinfo)
                case _:
                    _want(False, "not_found")
        except Refusal as refusal:
            self.complaints.append(f"{path}: {refusal}")
            await respond.json({"error": str(refusal).partition(" ")[0]}, 400)

    def document(self) -> Json:
        true = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": [self.auth],
        }
        if self.userinfo is not None:
            true["userinfo_endpoint"] = f"{self.url}/userinfo"
        return {name: value for name, value in {**true, **self.metadata}.items() if value is not None}

    def authorize(self, query: str) -> str:
        """Where a browser is sent that asks with `query`."""
        asked = _once(query)
        _want(asked.get("response_type") == "code", "unsupported_response_type")
        _want(asked.get("client_id") == CLIENT_ID, "unauthorized_client")
        _want(asked.get("redirect_uri") == CALLBACK, "invalid_request redirect_uri")
        _want("openid" in asked.get("scope", "").split(), "invalid_scope")
        _want(asked.get("code_challenge_method") == "S256", "invalid_request plain")
        lengths = [len(asked.get(name, "")) for name in ("code_challenge", "state", "nonce")]
        _want(lengths == [43, 43, 43], "invalid_request 256 bits each")
        code = marked(secrets.token_urlsafe(24))
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"]}
        if self.metadata.get("authorization_response_iss_parameter_supported"):
            answer["iss"] = self.url
        return f"{CALLBACK}?{urlencode(answer)}"

    def _token(self, headers: dict[str, str], body: bytes) -> Json:
        _want(headers.get("content-type") == "application/x-www-form-urlencoded", "invalid_request content type")
        form = _once(body.decode())
        self._client(headers.get("authorization"), form)
        _want(form.get("grant_type") == "authorization_code", "unsupported_grant_type")
        asked = self.codes.pop(form.get("code", ""), None)
        _want(asked is not None, "invalid_grant")
        assert asked is not None
        _want(form.get("redirect_uri") == asked["redirect_uri"], "invalid_grant redirect_uri")
        made = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        _want(made.rstrip(b"=").decode() == asked["code_challenge"], "invalid_grant verifier")
        bearer = marked(secrets.token_urlsafe(24))
        self.access.add(bearer)
        return {"access_token": bearer, "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

    def _client(self, authorization: str | None, form: dict[str, str]) -> None:
        basic = base64.b64encode(f"{urlencode({'': CLIENT_ID})[1:]}:{urlencode({'': CLIENT_SECRET})[1:]}".encode())
        sent = (authorization, form.get("client_id"), form.get("client_secret"))
        expected: dict[str, tuple[str | None, ...]] = {
            "client_secret_basic": (f"Basic {basic.decode()}", None, None),
            "client_secret_post": (None, CLIENT_ID, CLIENT_SECRET),
            "none": (None, CLIENT_ID, None),
        }
        _want(sent == expected[self.auth], "invalid_client")

    def _id_token(self, nonce: str) -> str:
        now = self.clock()
        true = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 3600, "nonce": nonce, **self.person}
        claims = {name: value for name, value in {**true, **self.told}.items() if value is not None}
        if self.token is not None:
            return self.token(claims)
        header = {"alg": self.alg, "kid": self.key.kid, **self.header}
        kept = {name: value for name, value in header.items() if value is not None}
        return jws.serialize_compact(kept, json.dumps(claims), self.key, registry=jws.JWSRegistry(
            algorithms=[self.alg], strict_check_header=False))  # fmt: skip


@asynccontextmanager
async def provider(clock: Callable[[], int]) -> AsyncIterator[FakeProvider]:
    made = FakeProvider(clock)
    async with serving(made) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made
    assert made.complaints == []


async def signed_in_at(url: str) -> str:
    """What a browser that follows `url` brings back from the provider: the query of our callback."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.get(url)
    assert answer.status_code == 302, answer.text
    page, _, query = answer.headers["location"].partition("?")
    assert page == CALLBACK
    return str(query)


def unsigned(claims: Json, **header: Any) -> str:
    """A token with any header and no signature."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b""))


def _once(form: str) -> dict[str, str]:
    pairs = parse_qsl(form, keep_blank_values=True, strict_parsing=True)
    _want(len(dict(pairs)) == len(pairs), "invalid_request repeated")
    return dict(pairs)


def _want(holds: bool, error: str) -> None:
    if not holds:
        raise Refusal(error)
