"""`/oauth/account`: what a member can use, to copy; and what they let in, to see and to end."""

from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response

from gateway_core.access.api_keys import ApiKey, day
from gateway_core.access.endpoint import Endpoint
from gateway_core.access.grants import ORGANISATION_PLACE, Grant
from gateway_core.access.roles import Actor, may
from gateway_core.admin import api_keys
from gateway_core.connect.connected import Connected
from gateway_core.errors import NotFound
from gateway_core.ports import Clock, Table
from gateway_core.registry import servers
from gateway_core.registry.client_policy import ClientPolicy
from gateway_core.registry.members import Member
from gateway_core.registry.upstream_auth import granularity_of
from gateway_core.storage import keys
from gateway_core.upstream.connections import Connection
from gateway_core.web.oauth.accounts_shown import ENDED, ShownAccount, shown_account
from gateway_core.web.oauth.clients_shown import document_host, life, shown, trust_in
from gateway_core.web.oauth.desk import Desk, other_browser
from gateway_core.web.oauth.forms import parameter
from gateway_core.web.oauth.next_path import ACCOUNT, connect_path, signin_path
from gateway_core.web.oauth.reach import WHOM_TO_ASK, Place
from gateway_core.web.oauth.render import moved

MAX_WORKSPACES: Final = 100
"""Workspaces that the page lists; it counts the others."""
MAX_SERVERS: Final = 300
"""Servers that it lists, all workspaces together: no more than a person reads."""
DONE: Final = {
    "grant": "That app has no access any more.",
    "key": "That API key works no more.",
    "account": "That account is disconnected, and its permission was taken back where it came from.",
    "account_kept": "That account is disconnected here. Its permission could not be taken back where it came from: do "
    "so there.",
    "account_unasked": "That account is disconnected here. Where it came from, permission is taken back by hand: do so "
    "there.",
    "sign_in": "You were signed in here already. If an app is waiting for you, start again from it; if you opened a "
    "link, open it again.",
}


@dataclass(frozen=True, slots=True)
class Account:
    """The page of one's own access."""

    desk: Desk
    table: Table
    clock: Clock

    async def show(self, request: Request) -> Response:
        """GET: servers, grants and keys of whoever is signed in."""
        visit = await self.desk.visit(request)
        if visit.session is None:
            return moved(signin_path(ACCOUNT))
        member = visit.session.member
        policy, places = await self.desk.issuer.clients.policy(), await self.desk.reach.places(member)
        grants = [await self._grant(grant, policy) for grant in await self.desk.grants.of_member(member.id)]
        connected = await Connected(self.table).of_member(member.id)
        found = [await self._key(key) for key in await api_keys.of_member(self.table, member.id) if self._lives(key)]
        return self.desk.pages.page(
            "account",
            member=member,
            csrf=visit.session.csrf,
            grants=grants,
            keys=found,
            done=DONE.get(parameter(visit.query, "ended") or "", ""),
            accounts=self._accounts(connected, places),
            **self._usable(member, places, frozenset(one.server_id for one in connected)),
        )

    async def end(self, request: Request) -> Response:
        """POST: revoke one grant or key of one's own, or disconnect an account of one's own."""
        visit, fields = await self.desk.posted(request)
        if visit.session is None:
            raise other_browser()
        what = fields.get("what", "")
        match what:
            case "grant":
                await self._end_grant(visit.session.member, fields.get("place", ""), fields.get("id", ""))
            case "account":
                what = await self._end_account(visit.session.member, fields.get("id", ""))
            case _:
                what = "key"
                await self._end_key(visit.session.member, fields.get("id", ""))
        return moved(f"{ACCOUNT}?ended={what}")

    async def _end_grant(self, member: Member, place: str, grant_id: str) -> None:
        own = {(grant.place, grant.id) for grant in await self.desk.grants.of_member(member.id)}
        if (place, grant_id) not in own:
            raise _not_yours()
        await self.desk.grants.revoke(place, grant_id)

    async def _end_account(self, member: Member, server_id: str) -> str:
        """What is to be said of it (`DONE`)."""
        own = [one for one in await Connected(self.table).of_member(member.id) if one.server_id == server_id]
        if not own:
            raise _not_yours()
        item = await self.table.get(keys.server(server_id))
        server = None if item is None else servers.from_data(item.data)
        return ENDED[await self.desk.linking.disconnecting.disconnect(own[0], server, by=member.id)]

    async def _end_key(self, member: Member, key_id: str) -> None:
        own = [key for key in await api_keys.of_member(self.table, member.id) if key.id == key_id]
        item = await self.table.get(keys.api_key(own[0].workspace_id, key_id)) if own else None
        if item is None:
            raise _not_yours()
        await api_keys.revoke(self.table, item, now=self.clock(), by=member.email)

    def _usable(self, member: Member, places: tuple[Place, ...], connected: frozenset[str]) -> dict[str, Any]:
        """What they can use; `connected` are ids of the servers at which they have an account of their own."""
        usable: list[dict[str, Any]] = []
        left = MAX_SERVERS
        for place in places[:MAX_WORKSPACES]:
            usable.append(self._place(place, member, connected, at_most=left))
            left -= len(usable[-1]["servers"])
        return {
            "usable": usable,
            "unlisted": len(places) - len(usable),
            "may_apply": may(Actor(member.email, member), "registry.apply"),
            "whom_to_ask": WHOM_TO_ASK,
        }

    def _place(self, place: Place, member: Member, connected: frozenset[str], *, at_most: int) -> dict[str, Any]:
        workspace, listed = place.workspace, place.servers[:at_most]
        return {
            "name": workspace.name,
            # None for whoever runs the organisation, and so reaches it without belonging to it.
            "role": member.roles.workspaces.get(workspace.id),
            "servers": [
                {
                    "name": one.name,
                    "url": self.desk.public_url + Endpoint(workspace.slug, one.slug).path,
                    # Of a server that is used with an account of theirs, which is not there yet.
                    "connect": connect_path(workspace.slug, one.slug)
                    if granularity_of(one.auth) == "user" and one.id not in connected
                    else "",
                }
                for one in listed
            ],
            "unlisted": len(place.servers) - len(listed),
        }

    def _accounts(self, connected: list[Connection], places: tuple[Place, ...]) -> list[ShownAccount]:
        """Their own accounts at servers. Of one that they reach, the page on which it is connected anew."""
        reached = {server.id: (server, place.workspace) for place in reversed(places) for server in place.servers}
        shown_here = []
        for connection in connected:
            server, workspace = reached.get(connection.server_id, (None, None))
            connectable = server is not None and granularity_of(server.auth) == "user"
            path = connect_path(workspace.slug, server.slug) if connectable and workspace and server else ""
            shown_here.append(shown_account(connection, server, path=path, now=self.clock()))
        return sorted(shown_here, key=lambda one: one.server.casefold())

    async def _grant(self, grant: Grant, policy: ClientPolicy) -> dict[str, Any]:
        host = document_host(grant.client_id, grant.client_kind)
        trust = trust_in(grant.client_kind, well_known=self.desk.issuer.clients.documents.knows(grant.client_id))
        return {
            "id": grant.id,
            "place_id": grant.place,
            "place": await self._workspace(grant.place),
            "allowed": self.desk.issuer.clients.allowed(policy, grant.client_id, grant.client_kind),
            "administers": grant.place == ORGANISATION_PLACE,
            "resource": grant.resource,
            "client": shown(name=grant.client_name, trust=trust, host=host, redirect_uri=grant.redirect_uri),
            "since": day(grant.created_at),
            "refreshed": day(grant.refreshed_at),
            "life": life(grant.expires_at),
        }

    async def _key(self, key: ApiKey) -> dict[str, Any]:
        return {
            "id": key.id,
            "place_id": key.workspace_id,
            "place": await self._workspace(key.workspace_id) or key.workspace_id,
            "since": day(key.created_at),
            "by": key.created_by,
            "until": None if key.expires_at is None else day(key.expires_at),
        }

    async def _workspace(self, place: str) -> str:
        """Its name; "" for one that is gone, and for the organisation."""
        item = await self.table.get(keys.workspace(place))
        return "" if item is None else str(item.data["name"])

    def _lives(self, key: ApiKey) -> bool:
        return key.revoked_at is None and (key.expires_at is None or self.clock() < key.expires_at)


def _not_yours() -> NotFound:
    return NotFound("It has ended already, or was never yours.", reason="not_yours")
