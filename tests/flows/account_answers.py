"""What servers and authorization servers answer while a case is tried, and which cases they cannot even name."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from gateway_core.connect.locations import refusal_of, server_documents
from gateway_core.errors import SignInFailed
from gateway_core.signin.discovery import read_metadata
from tests.flows.houses import IDP
from tests.flows.upstreams import Json
from tests.internet import page
from tests.ssrf import Case

HOME: Final = "home.example"


def as_json(value: Any) -> bytes:
    return page(json.dumps(value).encode())


GOOD: Final = {name: f"{IDP}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}


NOT_HERE: Final = page(b"{}", "404 Not Found")


def challenge(named: str = "") -> bytes:
    return page(b"{}", "401 Unauthorized", f"www-authenticate: Bearer{named}")


def naming(case: Case) -> bytes:
    return challenge("" if unsaid(case) else f' resource_metadata="{case.url}"')


def unsaid(case: Case) -> bool:
    """True for what no header can carry."""
    return not (case.url.isascii() and case.url.isprintable()) or '"' in case.url or "\\" in case.url


def resource(issuer: str) -> bytes:
    return as_json({"resource": f"https://{HOME}/mcp", "authorization_servers": [issuer]})


def account_server(**named: str) -> bytes:
    said = {"issuer": IDP, **GOOD, **named, "code_challenge_methods_supported": ["S256"]}
    return as_json(said)


def unusable_place(case: Case) -> bool:
    return refusal_of(case.url, plain_http=False) is not None


def unusable_issuer(case: Case, *, plain_http: bool = False) -> bool:
    return "?" in case.url or refusal_of(case.url, plain_http=plain_http) is not None


def documents(case: Case) -> list[str]:
    return [urlsplit(url).path for url in server_documents(case.url)]


def metadata(name: str, case: Case) -> Json:
    return {"issuer": IDP, **GOOD, name: case.url}


def unusable(name: str, case: Case) -> bool:
    try:
        read_metadata(metadata(name, case), IDP)
    except SignInFailed:
        return True
    return False
