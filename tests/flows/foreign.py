"""Another issuer for flows: it signs tokens, publishes its keys, and answers for its tokens."""

import asyncio
import base64
import json
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.asgi import read_body
from tests.flows.gateways import NOW, Gateway
from tests.flows.upstreams import Json, serving

ISSUER: Final = "https://login.acme.example/tenant"
AUDIENCE: Final = "https://gateway.acme.example"
RSA: Final = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
RSA_OTHER: Final = RSAKey.generate_key(2048, {"kid": "rsa-2"})
EC: Final = ECKey.generate_key("P-256", {"kid": "ec-1"})
EC_384: Final = ECKey.generate_key("P-384", {"kid": "ec-384"})
EC_521: Final = ECKey.generate_key("P-521", {"kid": "ec-521"})
ED: Final = OKPKey.generate_key("Ed25519", {"kid": "ed-1"})
KEYS: Final[dict[str, Key]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    "ES256": EC,
    "ES384": EC_384,
    "ES512": EC_521,
    "EdDSA": ED,
    "Ed25519": ED,
}
CLAIMS: Final[Json] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "248289761001", "exp": NOW + 600, "iat": NOW, "nbf": NOW}


def public(*keys: Key) -> Json:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def token(claims: Json | None = None, *, alg: str = "RS256", key: Key | None = None, header: Json | None = None) -> str:
    """A signed token: `claims` and `header` replace the true ones, None leaves one out."""
    signer = KEYS[alg] if key is None else key
    head = without_none({"alg": alg, "kid": signer.kid, "typ": "JWT", **(header or {})})
    payload = json.dumps(without_none({**CLAIMS, **(claims or {})})).encode()
    return signed(head, payload, signer)


def signed(head: Json, payload: bytes, key: Key) -> str:
    registry = jws.JWSRegistry(algorithms=[str(head["alg"])], strict_check_header=False)
    with warnings.catch_warnings():
        # "EdDSA" is deprecated (RFC 9864), and what many issuers write.
        warnings.simplefilter("ignore", SecurityWarning)
        return jws.serialize_compact(head, payload, key, registry=registry)


def unsigned(head: Any, payload: Any, signature: str = "") -> str:
    """A token in the form of one, put together by hand."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (head, payload))
    return ".".join([*(b64(part) for part in parts), signature])


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def without_none(data: Json) -> Json:
    return {name: value for name, value in data.items() if value is not None}


def _open() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Issuer:
    """It runs. Change its fields to make it change, or fail."""

    keys: Json = field(default_factory=lambda: public(RSA, EC, ED))
    status: int = 200
    body: bytes | None = None
    """Instead of the true answer."""
    told: dict[str, Any] = field(default_factory=dict)
    """What it says of tokens that it is asked about, by token."""
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    may: asyncio.Event = field(default_factory=_open)
    """While this is not set, it answers nothing."""

    def validation(self, **changed: Any) -> Json:
        """How a configuration file would name it."""
        return without_none({"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": f"{self.url}/jwks", **changed})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await read_body(receive)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append((scope["path"], headers, body))
        await self.may.wait()
        answer: Any = self.keys
        if scope["path"] == "/introspect":
            answer = self.told.get(parse_qs(body.decode())["token"][0], {"active": False})
        content = json.dumps(answer).encode() if self.body is None else self.body
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    made = Issuer()
    async with serving(made) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


async def believe(gw: Gateway, url: str, validation: Json | None, *servers: str) -> None:
    """Set `jwt_validation` of some servers of research."""
    entries = [{"slug": slug, "url": url, "workspaces": ["research"], "jwt_validation": validation} for slug in servers]
    await gw.apply({"servers": entries})
