"""Coming back from a server's authorization server: what became of it, and where to go on."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import Request, Response

from gateway_core.connect.connectable import Connectable
from gateway_core.connect.linking import Linking
from gateway_core.errors import BadRequest, ConnectFailed, GatewayError, Refused
from gateway_core.signin.sessions import Session
from gateway_core.upstream.auth.sources import moved as set_otherwise
from gateway_core.web.oauth.accounts_shown import shown_account, what_next
from gateway_core.web.oauth.connecting import leads_on_to, where_ended, whose
from gateway_core.web.oauth.consent import Consent
from gateway_core.web.oauth.desk import Desk
from gateway_core.web.oauth.forms import parameter
from gateway_core.web.oauth.next_path import ACCOUNT, connect_path, signin_path
from gateway_core.web.oauth.pending_consents import Waiting
from gateway_core.web.oauth.render import moved

CONNECTED: Final = "/oauth/connected"


@dataclass(frozen=True, slots=True)
class ComingBack:
    """The end of connecting an account."""

    desk: Desk
    consent: Consent

    @property
    def linking(self) -> Linking:
        """What the pages are built on."""
        return self.desk.linking

    async def back(self, request: Request) -> Response:
        """GET /oauth/upstream-callback: an authorization server sent the browser back."""
        visit = await self.desk.visit(request)
        session = visit.session
        if session is None:
            await self.linking.callback.elsewhere(visit.query)
            raise ConnectFailed(
                "Nobody is signed in in this browser any more, so nothing was connected. Start again from your app.",
                reason="attempt_unknown",
            )
        member, callback = session.member, self.linking.callback
        returned = await callback.taken(visit.query, browser=session.digest, member=member)
        attempt = returned.attempt
        # Whatever they were, or the server was, when they left: this is when it counts.
        wanted = await self.linking.connectables.find(attempt.workspace_id, attempt.server_id, member)
        wanted.check()
        if wanted.holder != attempt.holder or set_otherwise(attempt, wanted.server.url, wanted.auth):
            raise ConnectFailed(
                f"{wanted.server.name} was changed meanwhile, so nothing was connected. Start again.", reason="changed"
            )
        waiting = await self.consent.waiting.look(session.digest, attempt.then)
        try:
            await callback.finish(returned, wanted.server, wanted.auth, member)
        except (ConnectFailed, Refused) as problem:
            return self._not_connected(session, wanted, waiting, problem)
        if waiting is not None:
            return moved(await self.consent.resume(session, waiting.name))
        told = {"workspace": wanted.workspace.id, "server": wanted.server.id, "program": attempt.program}
        stamp = await self.desk.stamps.press(told, context=_done(session))
        return moved(f"{CONNECTED}?of={quote(stamp, safe='')}")

    async def done(self, request: Request) -> Response:
        """GET /oauth/connected: what to do now."""
        visit = await self.desk.visit(request)
        if visit.session is None:
            return moved(signin_path(ACCOUNT))
        try:
            held = await self.desk.stamps.read(parameter(visit.query, "of"), context=_done(visit.session))
        except BadRequest:
            return moved(ACCOUNT)
        wanted = await self.linking.connectables.find(held["workspace"], held["server"], visit.session.member)
        connection = await self.linking.connections.get(wanted.server.id, wanted.holder)
        if connection is None:
            return moved(ACCOUNT)
        return self.desk.pages.page(
            "connected",
            account=shown_account(connection, wanted.server, path="", now=self.desk.stamps.clock()),
            whose=whose(wanted),
            end=where_ended(wanted),
            next=what_next(held["program"]),
        )

    def _not_connected(
        self, session: Session, wanted: Connectable, waiting: Waiting | None, problem: GatewayError
    ) -> Response:
        """Why nothing was connected, with the way on: to try again, and for a client that waits and is allowed all the
        same, whose calls will tell."""
        here = connect_path(wanted.workspace.slug, wanted.server.slug)
        return self.desk.pages.page(
            "not_connected",
            status=400,
            form_to=leads_on_to(None, waiting),
            message=problem.message,
            here=here if waiting is None else f"{here}?then={waiting.name}",
            server=wanted.server.name,
            waiting=waiting,
            csrf=session.csrf,
        )


def _done(session: Session) -> str:
    return f"connected:{session.digest}"
