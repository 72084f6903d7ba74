"""Each route of the admin API: a request that is about something new, and who may make it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.upstream.holders import Holder
from tests.flows.actors import ask, granted, invited, joined, workspace_id
from tests.flows.gateways import Gateway
from tests.flows.token_servers import connections_of

RUN = frozenset({"owner", "admin", "key"})
SEE = RUN | {"auditor"}
EVERYBODY = SEE | {"member", "ws_admin", "ws_manager", "ws_member"}


@dataclass
class Stage:
    """A gateway, and somebody of each role: their token and their member id."""

    gw: Gateway
    tokens: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: count(1))

    def new(self, what: str) -> str:
        return f"{what}-{next(self.numbers)}"


@dataclass
class Ask:
    """One request. `mark` is in the answer of who may see it; `id` is what it is about."""

    path: str
    body: Any = None
    mark: str = ""
    id: str = ""
    unknown: str = ""
    """An id of the same form that nothing has."""


Prepare = Callable[[Stage, str, str], Awaitable[Ask]]
"""From stage, actor and workspace to a request about something new in that workspace."""


@dataclass
class Row:
    """Who may do it in their own workspace, and in another one."""

    prepare: Prepare
    own: frozenset[str]
    other: frozenset[str]
    hidden: int = 403
    """Status for those who may in their own workspace, and ask about another's."""
    open: bool = False
    """True where everybody gets past the door."""


async def _apply(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/apply", {"config": {"workspaces": [{"slug": stage.new("team")}]}})


async def _workspaces(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/workspaces", mark=f'"slug":"{place}"')


async def _servers(stage: Stage, actor: str, place: str) -> Ask:
    slug = stage.new("server")
    await stage.gw.apply({"servers": [{"slug": slug, "url": "https://mcp.example.com/mcp", "workspaces": [place]}]})
    return Ask("/servers", mark=f'"slug":"{slug}"')


async def _examine(stage: Stage, actor: str, place: str) -> Ask:
    slug = stage.new("server")
    await stage.gw.apply({"servers": [{"slug": slug, "url": "http://127.0.0.1:9/mcp", "workspaces": [place]}]})
    return Ask(f"/servers/{slug}/examination", mark='"steps"', id=slug, unknown="nothing-here")


async def _create_key(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/keys", {"workspace": place, "kind": "service", "subject": "ci"}, mark="ghk_")


async def _keys(stage: Stage, actor: str, place: str) -> Ask:
    _, key_id = await stage.gw.new_key(place)
    return Ask("/keys", mark=key_id)


async def _key(stage: Stage, actor: str, place: str) -> Ask:
    _, key_id = await stage.gw.new_key(place)
    return Ask(f"/keys/{key_id}", mark="revoked_by", id=key_id, unknown="k-22222222")


async def _secrets(stage: Stage, actor: str, place: str) -> Ask:
    name = stage.new("secret")
    await stage.gw.admin.set_secret(name, "value")
    return Ask("/secrets", mark=name)


async def _set_secret(stage: Stage, actor: str, place: str) -> Ask:
    return Ask(f"/secrets/{stage.new('secret')}", {"value": "x"})


async def _delete_secret(stage: Stage, actor: str, place: str) -> Ask:
    name = stage.new("secret")
    await stage.gw.admin.set_secret(name, "value")
    return Ask(f"/secrets/{name}")


async def _person(stage: Stage, place: str) -> str:
    return (await invited(stage.gw, f"{stage.new('person')}@acme.dev", **{place: "member"})).id  # type: ignore[arg-type]


async def _members(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/members", mark=await _person(stage, place))


async def _invite(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/members", {"email": f"{stage.new('person')}@acme.dev", "workspaces": {place: "member"}}, mark="link")


async def _member(stage: Stage, actor: str, place: str) -> Ask:
    person = await _person(stage, place)
    return Ask(f"/members/{person}", mark='"email"', id=person, unknown="p-22222222")


async def _change_member(stage: Stage, actor: str, place: str) -> Ask:
    person = await _person(stage, place)
    return Ask(f"/members/{person}", {"workspaces": {place: "manager"}}, '"manager"', person, "p-22222222")


async def _link(stage: Stage, actor: str, place: str) -> Ask:
    person = await _person(stage, place)
    return Ask(f"/members/{person}/invitation", None, "/oauth/join?token=ghi_", person, "p-22222222")


async def _unlink(stage: Stage, actor: str, place: str) -> Ask:
    email = f"{stage.new('person')}@acme.dev"
    person = (await joined(stage.gw, email, **{place: "member"})).id  # type: ignore[arg-type]
    return Ask(f"/members/{person}/unlink", None, '"invited":true', person, "p-22222222")


async def _remove(stage: Stage, actor: str, place: str) -> Ask:
    person = await _person(stage, place)
    return Ask(f"/members/{person}", id=person, unknown="p-22222222")


async def _groups(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/groups", mark='"groups"')


async def _replace_groups(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/groups", {"groups": [{"group": stage.new("team"), "workspaces": {place: "member"}}]})


async def _clients(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/clients", mark='"clients"')


async def _create_client(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/clients", {"name": "App", "redirect_uris": ["https://app.example.com/cb"]}, mark='"id":"c-')


async def _delete_client(stage: Stage, actor: str, place: str) -> Ask:
    body = {"name": "App", "redirect_uris": ["https://app.example.com/cb"]}
    made = await ask(stage.gw, stage.tokens["key"], "POST", "/clients", body)
    return Ask(f"/clients/{made.json()['id']}")


async def _grant(stage: Stage, place: str, member_id: str) -> str:
    grant, _ = await granted(stage.gw, member_id, place=await workspace_id(stage.gw, place))
    return grant.id


async def _grants(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/grants", mark=await _grant(stage, place, stage.people["owner"]))


async def _revoke_grant(stage: Stage, actor: str, place: str) -> Ask:
    grant_id = await _grant(stage, place, stage.people["owner"])
    return Ask(f"/grants/{grant_id}", id=grant_id, unknown="g-2222222222222222")


async def _me(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/me", mark='"name"')


async def _whose(stage: Stage, actor: str, place: str) -> str:
    """The actor's member id where they have one and the workspace is theirs, else that of somebody else."""
    return stage.people.get(actor, "") if place == "research" and actor in stage.people else await _person(stage, place)


async def _own_key(stage: Stage, actor: str, place: str) -> str:
    member = await stage.gw.admin.people.get(await _whose(stage, actor, place))
    assert member is not None
    _, key_id = await stage.gw.new_key("sales", kind="user", subject=member.email)
    return key_id


async def _my_keys(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/me/keys", mark=await _own_key(stage, actor, place))


async def _revoke_my_key(stage: Stage, actor: str, place: str) -> Ask:
    key_id = await _own_key(stage, actor, place)
    return Ask(f"/me/keys/{key_id}", id=key_id, unknown="k-22222222")


async def _my_grants(stage: Stage, actor: str, place: str) -> Ask:
    return Ask("/me/grants", mark=await _grant(stage, "sales", await _whose(stage, actor, place)))


async def _revoke_my_grant(stage: Stage, actor: str, place: str) -> Ask:
    grant_id = await _grant(stage, "sales", await _whose(stage, actor, place))
    return Ask(f"/me/grants/{grant_id}", id=grant_id, unknown="g-2222222222222222")


async def _account(stage: Stage, granularity: str, holder: str, place: str) -> str:
    """The slug of a new server at which somebody has connected an account."""
    slug, now = stage.new("server"), stage.gw.clock[0]
    url, auth = "https://mcp.example.com/mcp", {"type": "oauth", "granularity": granularity}
    await stage.gw.apply({"servers": [{"slug": slug, "url": url, "workspaces": [place], "auth": auth}]})
    server = (await stage.gw.admin.state()).servers[slug].record
    made = Connection(
        server.id, Holder(granularity, holder),  # type: ignore[arg-type]
        "https://login.example.com", "https://mcp.example.com", "client", "none", "https://login.example.com/token",
        None, None, (), (), None, now, "test", now, None,
    )  # fmt: skip
    await connections_of(stage.gw).add(made, Tokens(f"secret-of-{slug}"))
    return slug


async def _connections(stage: Stage, actor: str, place: str) -> Ask:
    slug = await _account(stage, "workspace", await workspace_id(stage.gw, place), place)
    return Ask("/connections", mark=f'"server":"{slug}"')


async def _disconnect(stage: Stage, actor: str, place: str) -> Ask:
    slug = await _account(stage, "workspace", await workspace_id(stage.gw, place), place)
    return Ask(f"/connections/{slug}/{place}", mark='"at_provider"', id=slug, unknown="nothing-here")


async def _my_connections(stage: Stage, actor: str, place: str) -> Ask:
    slug = await _account(stage, "user", await _whose(stage, actor, place), "sales")
    return Ask("/me/connections", mark=f'"server":"{slug}"')


async def _disconnect_mine(stage: Stage, actor: str, place: str) -> Ask:
    slug = await _account(stage, "user", await _whose(stage, actor, place), "sales")
    return Ask(f"/me/connections/{slug}", id=slug, unknown="nothing-here")


IN_WORKSPACE = frozenset({"ws_admin", "ws_manager", "ws_member"})
PERSONS = EVERYBODY - {"key"}
NONE: frozenset[str] = frozenset()
ROWS = {
    "POST /api/v1/apply": Row(_apply, RUN, RUN),
    "GET /api/v1/workspaces": Row(_workspaces, SEE | IN_WORKSPACE, SEE, 200),
    "GET /api/v1/servers": Row(_servers, SEE | IN_WORKSPACE, SEE, 200),
    "POST /api/v1/servers/{server}/examination": Row(_examine, RUN | {"ws_admin"}, RUN, 404),
    "POST /api/v1/keys": Row(_create_key, RUN | {"ws_admin"}, RUN, 422),
    "GET /api/v1/keys": Row(_keys, SEE | {"ws_admin"}, SEE, 200),
    "DELETE /api/v1/keys/{key_id}": Row(_key, RUN | {"ws_admin"}, RUN, 404),
    "GET /api/v1/secrets": Row(_secrets, SEE, SEE),
    "PUT /api/v1/secrets/{name}": Row(_set_secret, RUN, RUN),
    "DELETE /api/v1/secrets/{name}": Row(_delete_secret, RUN, RUN),
    "GET /api/v1/members": Row(_members, SEE | {"ws_admin", "ws_manager"}, SEE, 200),
    "POST /api/v1/members": Row(_invite, RUN | {"ws_admin"}, RUN, 422),
    "GET /api/v1/members/{member_id}": Row(_member, SEE | {"ws_admin", "ws_manager"}, SEE, 404),
    "PATCH /api/v1/members/{member_id}": Row(_change_member, RUN | {"ws_admin"}, RUN, 404),
    "DELETE /api/v1/members/{member_id}": Row(_remove, RUN, RUN),
    "POST /api/v1/members/{member_id}/invitation": Row(_link, RUN | {"ws_admin"}, RUN, 404),
    "POST /api/v1/members/{member_id}/unlink": Row(_unlink, RUN | {"ws_admin"}, RUN, 404),
    "GET /api/v1/groups": Row(_groups, SEE, SEE),
    "PUT /api/v1/groups": Row(_replace_groups, RUN, RUN),
    "GET /api/v1/clients": Row(_clients, SEE, SEE),
    "POST /api/v1/clients": Row(_create_client, RUN, RUN),
    "DELETE /api/v1/clients/{client_id}": Row(_delete_client, RUN, RUN),
    "GET /api/v1/grants": Row(_grants, SEE | {"ws_admin"}, SEE, 200),
    "DELETE /api/v1/grants/{grant_id}": Row(_revoke_grant, RUN | {"ws_admin"}, RUN, 404),
    "GET /api/v1/connections": Row(_connections, SEE | {"ws_admin"}, SEE, 200),
    "DELETE /api/v1/connections/{server}/{holder}": Row(_disconnect, RUN | {"ws_admin"}, RUN, 404),
    "GET /api/v1/me": Row(_me, EVERYBODY, EVERYBODY),
    "GET /api/v1/me/keys": Row(_my_keys, PERSONS, NONE, 200, open=True),
    "DELETE /api/v1/me/keys/{key_id}": Row(_revoke_my_key, PERSONS, NONE, 404, open=True),
    "GET /api/v1/me/grants": Row(_my_grants, PERSONS, NONE, 200, open=True),
    "DELETE /api/v1/me/grants/{grant_id}": Row(_revoke_my_grant, PERSONS, NONE, 404, open=True),
    "GET /api/v1/me/connections": Row(_my_connections, PERSONS, NONE, 200, open=True),
    "DELETE /api/v1/me/connections/{server}": Row(_disconnect_mine, PERSONS, NONE, 404, open=True),
}
