"""Every place where the gateway calls a URL that somebody else wrote, as one table: `DOORS`. Those that stand in the
configuration are refused there already: `saved_fields.SAVED`.

A new place gets a row. There is none for icons, `resource_link`s and other URLs in what servers say: those are handed
to the client as text, and no part of the gateway fetches them (`test_ssrf_doors.py` holds that).
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from gateway_core.connect.asking import EgressAsker
from gateway_core.connect.discovery import Found
from gateway_core.connect.locations import origin_of, server_documents
from gateway_core.connect.quoting import quoted, readable
from gateway_core.connect.registering import register
from gateway_core.connect.steps import Trail
from gateway_core.errors import SignInFailed
from gateway_core.issuer.metadata_documents import host_of, is_document_url
from gateway_core.ports import Put
from gateway_core.signin.cookies import new_value
from gateway_core.storage import keys
from gateway_core.upstream.token_endpoint import Client, TokenRequest, revocation
from tests.flows.account_answers import (
    HOME,
    NOT_HERE,
    account_server,
    as_json,
    challenge,
    documents,
    metadata,
    naming,
    resource,
    unsaid,
    unusable,
    unusable_issuer,
    unusable_place,
)
from tests.flows.foreign import token
from tests.flows.houses import IDP, House
from tests.flows.upstreams import Json
from tests.internet import PUBLIC_ADDRESS, page
from tests.internet import Found as Answers
from tests.ssrf import Case

"""Whose URL is beyond doubt, where a case is not about that."""
HOMES: Final = (HOME, "idp.example")
SHOWN: Final = token()
"""A token of another issuer. No key is ever found for it."""


def slug(case: Case) -> str:
    """Of the case's server; no host of a case has it in its name."""
    return f"server-{case.id.lower()}"


@dataclass(frozen=True)
class Door:
    """One place."""

    knock: Callable[[House, Case], Awaitable[str]]
    """Have the URL of a case called; what whoever caused that gets to read, what is the case's own left out."""
    wanted: Callable[[Case], bytes]
    """What the site answers at the URL."""
    before: Callable[[Case], list[bytes]] = lambda case: []
    """What the site answers to the questions that lead to the door."""
    server: Json = field(default_factory=lambda: {"transport": "http", "era": "modern"})
    """How the server is registered that the case is about."""
    write: Callable[[Json, Case], None] = lambda data, case: None
    """Put the URL into the record of that server, past every check."""
    first: Callable[[Case], list[Answers]] = lambda case: []
    """What the name of the URL resolves to in the questions that lead to the door."""
    closed: Callable[[Case], bool] = lambda case: False
    """True where the door has a rule of its own, and says so in its own words."""
    paths: Callable[[Case], list[str]] = lambda case: [case.accepted.path if case.accepted else "/mcp"]
    """What is asked for at the URL's place, in this order; no more than that."""


async def furnish(made: House, door: Door, cases: Sequence[Case]) -> None:
    """Put a server for each case into the registry, as the door has it."""
    await made.admin.set_secret("ask", "s3cret")
    common = {"url": f"https://{HOME}/mcp", "workspaces": ["research"], **door.server}
    await made.apply({"servers": [{"slug": slug(case), **common} for case in cases]})
    servers, writes = (await made.admin.state()).servers, []
    for case in cases:
        key = keys.server(servers[slug(case)].record.id)
        item = await made.table.get(key)
        assert item is not None
        data = json.loads(json.dumps(item.data))
        door.write(data, case)
        writes.append(Put(key, data))
    for start in range(0, len(writes), 100):
        await made.table.transact(writes[start : start + 100])


async def _call(made: House, case: Case, credential: str = "") -> str:
    """The reason and the words of the answer."""
    told = await made.call(slug(case), credential)
    if "error" in told:
        return f"{told['error']['code']}: {told['error']['message']}"
    result = told["result"]
    words = "".join(part["text"] for part in result["content"])
    return f"{result.get('_meta', {}).get('gatehouse/reason')}: {words}".replace(slug(case), "SERVER")


SUNNY: Final = as_json({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "content": []}})


def _server_url(data: Json, case: Case) -> None:
    data["url"] = case.url


def _led(case: Case) -> str:
    """The origin that a case leads to, or would. The message endpoint of an HTTP+SSE server has to be of the server's
    own, so the server is there too."""
    if case.refused_unseen:
        return f"https://{HOME}"
    target = case.accepted
    return f"{target.scheme}://{target.authority}" if target else case.url.removesuffix("/mcp")


def _sse_url(data: Json, case: Case) -> None:
    data["url"] = f"{_led(case)}/sse"


def _names_endpoint(case: Case) -> list[bytes]:
    return [page(f"event: endpoint\ndata: {case.url}\n\n".encode("utf-8", "replace"), content_type="text/event-stream")]


def _names_another_origin(case: Case) -> bool:
    try:
        return case.refused_unseen or origin_of(case.url) != origin_of(_led(case))
    except ValueError:
        return True


def _reachable(case: Case) -> list[Answers]:
    return [[case.accepted.address if case.accepted else PUBLIC_ADDRESS]]


BELIEVED: Final[Json] = {"issuer": "https://login.acme.example", "audience": "x"}
_BY_KEYS: Final[Json] = {"jwt_validation": {**BELIEVED, "jwks_uri": f"https://{HOME}/keys"}}
_BY_ASKING: Final[Json] = {
    "jwt_validation": {
        **BELIEVED,
        "introspection": {"endpoint": f"https://{HOME}/ask", "client_id": "us", "client_secret": {"secret": "ask"}},
    }
}


def _vouching(name: str, data: Json, case: Case) -> None:
    data["jwt_validation"]["vouching"][name] = case.url


async def _with_token(made: House, case: Case) -> str:
    return await _call(made, case, SHOWN)


async def _authorize(made: House, case: Case) -> str:
    asked = {"client_id": case.url, "response_type": "code", "redirect_uri": "http://127.0.0.1/callback"}
    query = urlencode({**asked, "code_challenge": "x" * 43, "code_challenge_method": "S256"}, errors="replace")
    told = await made.ask(made.oauth, "GET", f"/authorize?{query}", {"accept": "application/json"})
    return told.replace(host_of(case.url), "HOST")


def _no_document_url(case: Case) -> bool:
    # Whoever can send a person to /authorize names this one, so an operator's private networks are not open to it.
    private = case.accepted is not None and ipaddress.ip_address(case.accepted.address).is_private
    return private or not is_document_url(case.url)


async def _sign_in(made: House, case: Case) -> str:
    provider, browser = made.oauth.desk.sign_in.provider, new_value()
    assert provider
    made.now[0] += 4_000
    try:
        there = await provider.begin(next_path="/oauth/account", browser=browser)
        [state] = parse_qs(urlsplit(there).query)["state"]
        await provider.finish(f"state={state}&code=c", browser=browser)
    except SignInFailed as problem:
        return problem.message
    raise AssertionError("nobody could be signed in by this")


_OWN: Final[Json] = {"type": "client_credentials", "client_id": "us", "client_secret": {"secret": "ask"}}
_ACCOUNT: Final[Json] = {"transport": "http", "era": "modern", "auth": _OWN}


def _entered(name: str, data: Json, case: Case) -> None:
    data["auth"][name] = case.url


async def _as_account(made: House, case: Case) -> str:
    """What a caller hears of a server with an account of the gateway's own. What others wrote is left out."""
    told = await _call(made, case)
    places = [case.url] if unusable_issuer(case, plain_http=True) else [case.url, *server_documents(case.url)]
    for place in sorted(places, key=len, reverse=True):
        told = told.replace(readable(quoted(place)), "URL")
    return told


async def _register(made: House, case: Case) -> str:
    linking = made.oauth.desk.linking
    found = Found("", (), IDP, "", "", case.url, None, ("none",), False, False, ())
    trail = Trail(EgressAsker(linking.authorizing.egress))
    told = await register(trail, found, linking.own, organisation="Acme", now=made.now[0])
    assert isinstance(told, str)
    return told


async def _revoke(made: House, case: Case) -> str:
    client = Client("us", "none")
    request = TokenRequest(case.url, client, revocation("t", "access_token"))
    return str(await made.oauth.desk.linking.disconnecting.endpoints.revoke(request))


def _discovered(name: str, *more: bytes) -> Callable[[Case], list[bytes]]:
    return lambda case: [as_json(metadata(name, case)), *more]


DOORS: Final[Mapping[str, Door]] = {
    "the URL of a server": Door(_call, lambda case: SUNNY, write=_server_url),
    "the URL of an HTTP+SSE server": Door(
        _call, lambda case: as_json({}), server={"transport": "sse"}, write=_server_url
    ),
    "the message endpoint that an HTTP+SSE server names": Door(
        _call,
        lambda case: page(b"", "202 Accepted"),
        before=_names_endpoint,
        server={"transport": "sse"},
        write=_sse_url,
        first=_reachable,
        closed=_names_another_origin,
    ),
    "the key set of another issuer": Door(
        _with_token, lambda case: as_json({"keys": []}), server=_BY_KEYS, write=partial(_vouching, "url")
    ),
    "the introspection endpoint of another issuer": Door(
        _with_token, lambda case: as_json({"active": False}), server=_BY_ASKING, write=partial(_vouching, "endpoint")
    ),
    "the metadata document of a client": Door(_authorize, lambda case: as_json({}), closed=_no_document_url),
    "the token endpoint of the identity provider": Door(
        _sign_in,
        lambda case: as_json({}),
        before=_discovered("token_endpoint"),
        closed=partial(unusable, "token_endpoint"),
    ),
    "the key set of the identity provider": Door(
        _sign_in,
        lambda case: as_json({"keys": []}),
        before=_discovered("jwks_uri", as_json({"id_token": SHOWN})),
        closed=partial(unusable, "jwks_uri"),
    ),
    "the metadata of a server, as its challenge names it": Door(
        _as_account,
        lambda case: resource(f"https://{HOME}"),
        before=lambda case: [naming(case)],
        server=_ACCOUNT,
        closed=unsaid,
    ),
    "the authorization server that a server names": Door(
        _as_account,
        lambda case: NOT_HERE,
        before=lambda case: [challenge(), resource(case.url)],
        server=_ACCOUNT,
        closed=unusable_issuer,
        paths=documents,
    ),
    "the authorization server that an administrator names": Door(
        _as_account,
        lambda case: NOT_HERE,
        before=lambda case: [challenge(), resource(f"https://{HOME}")],
        server=_ACCOUNT,
        write=partial(_entered, "issuer"),
        closed=partial(unusable_issuer, plain_http=True),
        paths=documents,
    ),
    "the token endpoint that an authorization server names": Door(
        _as_account,
        lambda case: page(b"{}", "400 Bad Request"),
        before=lambda case: [challenge(), resource(IDP), account_server(token_endpoint=case.url)],
        server=_ACCOUNT,
        closed=unusable_place,
    ),
    "the token endpoint that an administrator names": Door(
        _as_account,
        lambda case: page(b"{}", "400 Bad Request"),
        server=_ACCOUNT,
        write=partial(_entered, "token_endpoint"),
    ),
    "the registration endpoint of an authorization server": Door(_register, lambda case: as_json({})),
    "the revocation endpoint of an authorization server": Door(_revoke, lambda case: as_json({})),
}
