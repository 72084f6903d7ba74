"""`/authorize`: who asks, for what, as whom; and what the member decided.

Asking has no side effect and needs no cookie. A client with a wrong address is never answered there; what is wrong
otherwise it hears only after somebody has signed in and clicked (RFC 9700, 4.11.2).
"""

from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response

from gateway_core.errors import BadRequest, OAuthError
from gateway_core.issuer.authorization import AuthorizationRequest
from gateway_core.issuer.redirects import is_loopback
from gateway_core.issuer.rotation import ABSOLUTE_S
from gateway_core.registry.upstream_auth import OAuth
from gateway_core.signin.sessions import Session
from gateway_core.upstream.holders import Holder
from gateway_core.web.oauth.clients_shown import Shown, life, shown, trust_in
from gateway_core.web.oauth.desk import Desk, Visit, other_browser
from gateway_core.web.oauth.next_path import authorize_path, connect_path, signin_path
from gateway_core.web.oauth.pending_consents import PendingConsent, PendingConsents
from gateway_core.web.oauth.reach import Chosen, Offer, Place
from gateway_core.web.oauth.render import form_target, moved

NO_REACH: Final = OAuthError(
    "access_denied", "Whoever is signed in cannot give access to that. The page that they came from says why."
)
DENIED: Final = OAuthError("access_denied", "The person at the browser did not allow it.")


@dataclass(frozen=True, slots=True)
class Consent:
    """The authorization endpoint."""

    desk: Desk
    waiting: PendingConsents

    async def ask(self, request: Request) -> Response:
        """GET: the consent page, the sign-in page first, or what is wrong with the request."""
        visit = await self.desk.visit(request)
        await self.desk.sign_in.throttle.check("authorize", visit.address)
        asked = await self.desk.issuer.read(visit.query)
        if visit.session is None:
            return moved(signin_path(authorize_path(visit.query)))
        try:
            if asked.refusal is not None:
                raise asked.refusal
            offer = await self.desk.reach.offer(visit.session.member, asked.resource)
        except OAuthError as refusal:
            return await self._refused(visit, visit.session, asked, refusal)
        facts = await self._facts(visit, visit.session, asked)
        return self.desk.pages.page("consent", form_to=form_target(asked.redirect_uri), offer=offer, **facts)

    async def decide(self, request: Request) -> Response:
        """POST: allow, deny, or bring the client word of what was wrong."""
        visit, fields = await self.desk.posted(request)
        await self.desk.sign_in.throttle.check("authorize", visit.address)
        session = visit.session
        if session is None:
            raise other_browser()
        await self.desk.sign_in.throttle.check("authorize_account", session.member.id)
        if "then" in fields:
            return moved(await self.resume(session, fields["then"]))
        held = await self.desk.stamps.read(fields.get("request"), context=_context(session))
        asked = await self.desk.issuer.read(held["query"])
        _check_name(asked, held["name"])
        return moved(await self._decided(session, asked, fields, held["query"]))

    async def _decided(self, session: Session, asked: AuthorizationRequest, fields: dict[str, str], query: str) -> str:
        """Where the browser goes with the decision."""
        if asked.refusal is not None:
            return self.desk.issuer.refuse(asked, asked.refusal)
        try:
            offer = await self.desk.reach.offer(session.member, asked.resource)
        except OAuthError as refusal:
            # Why is the person's own affair: their address, and which workspaces there are and are theirs. Only a
            # program on their own computer is told, which prints it to them.
            return self.desk.issuer.refuse(asked, refusal if is_loopback(asked.redirect_uri) else NO_REACH)
        match fields.get("decision"):
            case "deny":
                return self.desk.issuer.refuse(asked, DENIED)
            case "allow":
                return await self._allowed(session, asked, offer, fields, query)
        raise BadRequest("Choose Allow or Deny.", reason="bad_form")

    async def resume(self, session: Session, name: str) -> str:
        """Where the browser goes with a decision that has waited until an account was connected, or until the person
        did not want to. It is carried out once, and only what they could still allow.

        Raises:
            BadRequest: There is none of this name in this session, or not any more.
        """
        held = await self.waiting.take(session.digest, name)
        if held is None:
            raise BadRequest("This was carried out already, or has expired. Start again from the app.",
                             reason="expired_page")  # fmt: skip
        asked = await self.desk.issuer.read(held.query)
        _check_name(asked, held.client)
        try:
            offer = await self.desk.reach.offer(session.member, asked.resource)
        except OAuthError as refusal:
            return self.desk.issuer.refuse(asked, refusal if is_loopback(asked.redirect_uri) else NO_REACH)
        return await self._approved(session, asked, _chosen(offer, held.workspace_id))

    async def _allowed(
        self, session: Session, asked: AuthorizationRequest, offer: Offer, fields: dict[str, str], query: str
    ) -> str:
        workspace_id = fields.get("workspace")
        chosen = _chosen(offer, workspace_id)
        place = next((one for one in offer.places if one.workspace.id == workspace_id), None)
        if offer.kind != "server" or place is None or not await self._lacks_account(session, place):
            return await self._approved(session, asked, chosen)
        waits = PendingConsent(query, asked.client.name, asked.redirect_uri, place.workspace.id)
        name = await self.waiting.keep(session.digest, waits)
        return f"{connect_path(place.workspace.slug, place.servers[0].slug)}?then={name}"

    async def _lacks_account(self, session: Session, place: Place) -> bool:
        """True where the one server that a client asks for acts as the person, who has to connect their account."""
        server = place.servers[0]
        if not isinstance(server.auth, OAuth) or server.auth.granularity != "user":
            return False
        found = await self.desk.linking.connections.get(server.id, Holder("user", session.member.id))
        return found is None or found.state != "ok"

    async def _approved(self, session: Session, asked: AuthorizationRequest, chosen: Chosen) -> str:
        return await self.desk.issuer.approve(
            asked, member_id=session.member.id, place=chosen.place, resource=chosen.url(self.desk.public_url)
        )

    async def _refused(
        self, visit: Visit, session: Session, asked: AuthorizationRequest, refusal: OAuthError
    ) -> Response:
        facts = await self._facts(visit, session, asked)
        return self.desk.pages.page(
            "refused", status=400, form_to=form_target(asked.redirect_uri), message=refusal.message, **facts
        )

    async def _facts(self, visit: Visit, session: Session, asked: AuthorizationRequest) -> dict[str, Any]:
        stamp = await self.desk.stamps.press(
            {"query": visit.query, "name": asked.client.name}, context=_context(session)
        )
        return {
            "client": self._shown(asked),
            "member": session.member,
            "csrf": session.csrf,
            "request": stamp,
            "here": authorize_path(visit.query),
            "life": life(self.desk.stamps.clock() + ABSOLUTE_S),
        }

    def _shown(self, asked: AuthorizationRequest) -> Shown:
        client = asked.client
        trust = trust_in(client.kind, well_known=self.desk.issuer.clients.documents.knows(client.id))
        return shown(name=client.name, trust=trust, host=client.host, redirect_uri=asked.redirect_uri)


def _check_name(asked: AuthorizationRequest, shown_as: str) -> None:
    if asked.client.name != shown_as:
        raise BadRequest(
            "The app has another name now than this page said. Start again from the app.", reason="expired_page"
        )


def _chosen(offer: Offer, workspace_id: str | None) -> Chosen:
    chosen = offer.chosen(workspace_id)
    if chosen is None:
        raise BadRequest("Choose one of your workspaces. Go back to do so.", reason="bad_form")
    return chosen


def _context(session: Session) -> str:
    return f"consent:{session.digest}"
