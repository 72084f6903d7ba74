"""The pages on which somebody connects an account at a server: what will happen, off to its log-in, and back.

Nothing is begun without a click on a page of ours, and nothing that a query holds is ever gone to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response

from gateway_core.access.roles import Actor, may
from gateway_core.connect.authorizing import Intent, wanted_scopes
from gateway_core.connect.connectable import Connectable
from gateway_core.connect.discovery import Found
from gateway_core.connect.issuer_changes import left_issuer
from gateway_core.connect.linking import Linking
from gateway_core.connect.steps import DiscoveryFailed
from gateway_core.errors import ConnectFailed, NotFound, Refused
from gateway_core.registry.members import Member
from gateway_core.registry.upstream_auth import auth_to_data
from gateway_core.signin.sessions import Session
from gateway_core.upstream.tickets import MAX_CLIENT
from gateway_core.web.oauth.accounts_shown import ENDED, shown_account
from gateway_core.web.oauth.consent import Consent
from gateway_core.web.oauth.desk import Desk, Visit, other_browser
from gateway_core.web.oauth.forms import parameter
from gateway_core.web.oauth.next_path import ACCOUNT, connect_path, signin_path, ticket_path
from gateway_core.web.oauth.pending_consents import Waiting
from gateway_core.web.oauth.render import form_target, moved


@dataclass(frozen=True, slots=True)
class Arrived:
    """From where somebody came to the page."""

    program: str
    waiting: Waiting | None


@dataclass(frozen=True, slots=True)
class Connecting:
    """Connecting and disconnecting accounts."""

    desk: Desk
    consent: Consent

    @property
    def linking(self) -> Linking:
        """What the pages are built on."""
        return self.desk.linking

    async def by_ticket(self, request: Request) -> Response:
        """GET /connect/{ticket}: the link that a refused call has shown."""
        visit, text = await self.desk.visit(request), str(request.path_params["ticket"])
        if visit.session is None:
            return moved(signin_path(ticket_path(text)))
        ticket = await self.linking.tickets.open(text)
        if ticket is None:
            raise ConnectFailed(
                "This link has expired, or is none of this gateway. Ask your app for the same once more: it gets a new "
                "one.",
                reason="ticket_unknown",
            )
        member = visit.session.member
        if ticket.member_id != member.id:
            return await self._of_another(visit.session, ticket.member_id, ticket_path(text))
        found = await self.linking.connectables.find(ticket.workspace_id, ticket.server_id, member)
        return await self._page(visit.session, found, program=ticket.client)

    async def ask(self, request: Request) -> Response:
        """GET /connect/{workspace}/{server}."""
        visit = await self.desk.visit(request)
        if visit.session is None:
            return moved(signin_path(connect_path(**_slugs(request))))
        waiting = await self.consent.waiting.look(visit.session.digest, parameter(visit.query, "then"))
        return await self._page(visit.session, await self._found(request, visit.session), waiting=waiting)

    async def leave(self, request: Request) -> Response:
        """POST of the same: off to the authorization server that the page has named."""
        visit, fields_ = await self.desk.posted(request)
        session = _session(visit)
        wanted = await self._found(request, session)
        wanted.check()
        await self.desk.sign_in.throttle.check("connect_account", session.member.id)
        held = await self.desk.stamps.read(fields_.get("found"), context=_context(session, wanted))
        if held["set"] != _set(wanted):
            raise ConnectFailed(f"{wanted.server.name} was changed meanwhile. Load the page anew.", reason="changed")
        waiting = await self.consent.waiting.look(session.digest, fields_.get("then"))
        program = waiting.client if waiting else fields_.get("program", "")[:MAX_CLIENT]
        intent = Intent(
            server=wanted.server,
            auth=wanted.auth,
            workspace_id=wanted.workspace.id,
            holder=wanted.holder,
            member=session.member,
            browser=session.digest,
            program=program[:MAX_CLIENT],
            then="" if waiting is None else waiting.name,
        )
        found = _found_from(held["found"])
        try:
            url = await self.linking.authorizing.begin(intent, found, organisation=wanted.organisation)
        except (DiscoveryFailed, Refused) as problem:
            return await self._shown(session, wanted, None, arrived=Arrived(program, waiting), wrong=problem.message)
        return moved(url)

    async def disconnect(self, request: Request) -> Response:
        """POST /connect/{workspace}/{server}/disconnect."""
        visit, _ = await self.desk.posted(request)
        session = _session(visit)
        wanted = await self._found(request, session)
        wanted.check()
        connection = await self.linking.connections.get(wanted.server.id, wanted.holder)
        if connection is None:
            raise NotFound("It is not connected any more.")
        told = await self.linking.disconnecting.disconnect(connection, wanted.server, by=session.member.id)
        return moved(f"{ACCOUNT}?ended={ENDED[told]}")

    async def _found(self, request: Request, session: Session) -> Connectable:
        slugs = _slugs(request)
        return await self.linking.connectables.find(slugs["workspace"], slugs["server"], session.member)

    async def _page(
        self, session: Session, wanted: Connectable, *, program: str = "", waiting: Waiting | None = None
    ) -> Response:
        wanted.check()
        await self.desk.sign_in.throttle.check("connect_account", session.member.id)
        arrived = Arrived(program, waiting)
        try:
            found = await self.linking.authorizing.look(wanted.server)
        except DiscoveryFailed as problem:
            return await self._shown(session, wanted, None, arrived=arrived, wrong=problem.message)
        return await self._shown(session, wanted, found, arrived=arrived)

    async def _shown(
        self, session: Session, wanted: Connectable, found: Found | None, *, arrived: Arrived, wrong: str = ""
    ) -> Response:
        """The page; without `found`, why nothing can be connected now."""
        connection = await self.linking.connections.get(wanted.server.id, wanted.holder)
        here = connect_path(wanted.workspace.slug, wanted.server.slug)
        facts: dict[str, Any] = {"way": None, "found": ""} if found is None else await self._way(session, wanted, found)
        now = self.desk.stamps.clock()
        return self.desk.pages.page(
            "connect",
            status=200 if found is not None else 400,
            form_to=leads_on_to(facts["way"], arrived.waiting),
            server=wanted.server.name,
            host=urlsplit(wanted.server.url).netloc,
            organisation=wanted.organisation,
            whose=whose(wanted),
            end=where_ended(wanted),
            account=None if connection is None else shown_account(connection, wanted.server, path=here, now=now),
            member=session.member,
            csrf=session.csrf,
            here=here,
            program=arrived.program,
            waiting=arrived.waiting,
            wrong=wrong,
            **facts,
        )

    async def _way(self, session: Session, wanted: Connectable, found: Found) -> dict[str, Any]:
        """Where the browser will be sent, and the same for the form to bring back."""
        before = await self.linking.connections.get(wanted.server.id, wanted.holder)
        at, issuer = urlsplit(found.authorization_endpoint), urlsplit(found.issuer)
        way = {
            "scheme": at.scheme,
            "host": at.netloc,
            "issuer": issuer.netloc,
            "leads_to": found.issuer,
            "left": left_issuer(before, found.issuer, wanted.server, by=session.member.id, connected=False),
            "scopes": wanted_scopes(wanted.auth, found, before),
        }
        held = {one.name: getattr(found, one.name) for one in fields(Found) if one.name != "steps"}
        stamp = await self.desk.stamps.press(
            {"found": held, "set": _set(wanted)}, context=_context(session, wanted)
        )  # fmt: skip
        return {"way": way, "found": stamp}

    async def _of_another(self, session: Session, member_id: str, here: str) -> Response:
        """A link that was made for somebody else. Who that is, only those are told who see the members anyway."""
        member = session.member
        owner: Member | None = None
        if may(Actor(member.email, member), "members.read"):
            owner = await self.desk.sign_in.entrance.people.get(member_id)
        return self.desk.pages.page(
            "anothers",
            status=403,
            member=member,
            csrf=session.csrf,
            here=here,
            owner="" if owner is None else owner.email,
        )


def _slugs(request: Request) -> dict[str, str]:
    return {name: str(request.path_params[name]) for name in ("workspace", "server")}


def _session(visit: Visit) -> Session:
    if visit.session is None:
        raise other_browser()
    return visit.session


def _found_from(held: Mapping[str, Any]) -> Found:
    told: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in held.items()}
    return Found(**told, steps=())


def leads_on_to(way: Mapping[str, Any] | None, waiting: Waiting | None) -> str | None:
    """CSP sources for the forms of the page: the authorization server's scheme, since it leads on as it likes, and what
    the client that waits leads to."""
    further = form_target(waiting.redirect_uri) if waiting is not None else ""
    if further is None:
        return None
    return f"{way['scheme'] + ':' if way else ''} {further}".strip()


def whose(wanted: Connectable) -> str:
    """Who will act as the account, as the subject of a sentence."""
    match wanted.holder.granularity:
        case "user":
            return "You"
        case "workspace":
            return f"Everyone in workspace {wanted.workspace.name}"
        case "organisation":
            return f"Everyone in {wanted.organisation}"


def where_ended(wanted: Connectable) -> dict[str, Any]:
    """Where the account is taken away, for `parts.ended`."""
    return {
        "shared": wanted.holder.granularity != "user",
        "page": connect_path(wanted.workspace.slug, wanted.server.slug),
        "server": wanted.server.slug,
        "holder": wanted.workspace.slug if wanted.holder.granularity == "workspace" else wanted.holder.id,
    }


def _set(wanted: Connectable) -> dict[str, Any]:
    """What the page is made from, as JSON: who the gateway is there must not change between page and button, either."""
    return {"url": wanted.server.url, "auth": auth_to_data(wanted.auth)}


def _context(session: Session, wanted: Connectable) -> str:
    return f"connect:{session.digest}:{wanted.server.id}:{wanted.holder.id}"
