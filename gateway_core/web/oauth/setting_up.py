"""Coming in by a link: the one-time link that makes the first owner, and invitations. Opening a link does nothing."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from gateway_core.access.api_keys import minute
from gateway_core.access.roles import ADMINISTRATOR
from gateway_core.errors import Conflict, Invalid, SignInFailed
from gateway_core.registry.members import Member, plain_email
from gateway_core.signin.cookies import csrf_holds
from gateway_core.signin.invitations import Invitation, spent
from gateway_core.signin.passwords import MIN_LENGTH
from gateway_core.signin.provider import Prompt
from gateway_core.signin.sessions import Session
from gateway_core.web.oauth.desk import STALE, Desk, Visit, leads_to
from gateway_core.web.oauth.forms import parameter
from gateway_core.web.oauth.next_path import ACCOUNT, ANOTHER, join_path, setup_path
from gateway_core.web.oauth.render import moved

PASSWORD_RULE: Final = f"At least {MIN_LENGTH} characters. A sentence of a few words is a good one."


@dataclass(frozen=True, slots=True)
class SettingUp:
    """The two links that let in who never signed in."""

    desk: Desk

    async def ask(self, request: Request) -> Response:
        """GET /oauth/setup."""
        visit = await self.desk.visit(request)
        await self.desk.sign_in.throttle.check("setup", visit.address)
        return await self._opened(visit, parameter(visit.query, "token") or "")

    async def own(self, request: Request) -> Response:
        """POST /oauth/setup: make the first owner, or see who they are at the identity provider."""
        visit, fields = await self.desk.sent(request)
        sign_in, token = self.desk.sign_in, fields.get("token", "")
        await sign_in.throttle.check("setup", visit.address)
        if not csrf_holds(visit.cookie, fields.get("csrf")):
            return await self._opened(visit, token, status=400, wrong=STALE)
        if sign_in.provider is not None:
            return moved(await sign_in.provider.begin(next_path=setup_path(token), browser=visit.cookie or ""))
        email, name = fields.get("email", ""), fields.get("name", "")
        try:
            password = fields.get("password", "")
            member = await sign_in.setup.first_owner(token, email=email, name=name, password=password)
        except (Invalid, Conflict) as problem:
            return self._setup(visit, token, status=422, wrong=problem.message, email=email, name=name)
        except SignInFailed as problem:
            member = await self._clicked_twice(visit, fields, problem)
        return await self.desk.let_in(visit, member, ACCOUNT)

    async def invited(self, request: Request) -> Response:
        """GET /oauth/join."""
        visit = await self.desk.visit(request)
        await self.desk.sign_in.throttle.check("invitation", visit.address)
        token, another = (parameter(visit.query, name) or "" for name in ("token", "as"))
        if visit.session is not None:
            return await self._signed_in(visit.session, token)
        return await self._join(visit, token, another=another)

    async def join(self, request: Request) -> Response:
        """POST /oauth/join: choose a password, or see who they are at the identity provider."""
        visit, fields = await self.desk.sent(request)
        sign_in, token, another = self.desk.sign_in, fields.get("token", ""), fields.get("as", "")
        await sign_in.throttle.check("invitation", visit.address)
        if visit.session is not None:
            return await self._signed_in(visit.session, token, status=409)
        name = fields.get("name", "")
        if not csrf_holds(visit.cookie, fields.get("csrf")):
            return await self._join(visit, token, status=400, wrong=STALE, name=name, another=another)
        if sign_in.provider is not None:
            # Whoever signed out to join would else come straight back as the same person.
            prompt: Prompt | None = "select_account" if another == ANOTHER else None
            begun = sign_in.provider.begin(next_path=join_path(token), browser=visit.cookie or "", prompt=prompt)
            return moved(await begun)
        try:
            member = await sign_in.invitations.accept(token, name=name, password=fields.get("password", ""))
        except Invalid as problem:
            return await self._join(visit, token, status=422, wrong=problem.message, name=name)
        except SignInFailed as problem:
            member = await self._clicked_twice(visit, fields, problem)
        return await self.desk.let_in(visit, member, ACCOUNT)

    async def _clicked_twice(self, visit: Visit, fields: dict[str, str], spent: SignInFailed) -> Member:
        """Whoever used the link up with the first of two clicks, whose answer browsers drop: they have the password now
        that the second brings, and come in by that as on the sign-in page."""
        email, throttle = fields.get("email", ""), self.desk.sign_in.throttle
        await throttle.check("signin_address", visit.address)
        await throttle.check("signin_account", plain_email(email))
        try:
            return await self.desk.sign_in.entrance.by_password(email, fields.get("password", ""))
        except SignInFailed:
            raise spent from None

    async def _opened(self, visit: Visit, token: str, *, status: int = 200, wrong: str = "") -> Response:
        setup = self.desk.sign_in.setup
        if await setup.fits(token):
            return self._setup(visit, token, status=status, wrong=wrong)
        if visit.session is not None and not await setup.is_open():
            email = visit.session.member.email
            raise Conflict(
                f"It has its first owner, and the set-up link works once. You are signed in as {email}.",
                reason="set_up_already",
            )
        raise await setup.refusal()

    async def _signed_in(self, session: Session, token: str, *, status: int = 200) -> Response:
        """Nobody is put out of their own account by a link: they sign out first, or leave it alone."""
        found, email = await self.desk.sign_in.invitations.find(token), session.member.email
        if found is None:
            raise Conflict(
                f"You are signed in as {email}. If this invitation was yours, you have joined already; if not, it has "
                "expired, was used, or was replaced by a newer one.",
                reason="signed_in_already",
            )
        return self.desk.pages.page(
            "join_as",
            status=status,
            csrf=session.csrf,
            here=join_path(token),
            member=session.member,
            **_shown(found),
        )

    def _setup(self, visit: Visit, token: str, *, status: int, **said: str) -> Response:
        provider = self.desk.sign_in.provider
        return self.desk.form(
            visit,
            "setup",
            status=status,
            form_to=leads_to(provider),
            token=token,
            provider=provider and provider.name,
            password_rule=PASSWORD_RULE,
            **{"email": "", "name": "", **said},
        )

    async def _join(self, visit: Visit, token: str, *, status: int = 200, name: str = "", **said: str) -> Response:
        found, provider = await self.desk.sign_in.invitations.find(token), self.desk.sign_in.provider
        if found is None:
            raise spent()
        return self.desk.form(
            visit,
            "join",
            status=status,
            form_to=leads_to(provider),
            token=token,
            provider=provider and provider.name,
            password_rule=PASSWORD_RULE,
            organisation=await self.desk.reach.organisation(),
            name=name or found.member.name,
            **{"another": "", "wrong": "", **said, **_shown(found)},
        )


def _shown(invitation: Invitation) -> dict[str, str]:
    """What both pages say of an invitation."""
    by = "An administrator" if invitation.by == ADMINISTRATOR.name else invitation.by
    return {"email": invitation.member.email, "until": minute(invitation.until), "by": by}
