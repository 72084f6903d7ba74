"""Coming in by a link: the one-time link that makes the first owner, and invitations. Opening a link does nothing."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from gateway_core.errors import Conflict, Invalid
from gateway_core.signin.invitations import spent
from gateway_core.signin.passwords import MIN_LENGTH
from gateway_core.signin.setup import closed
from gateway_core.web.oauth.desk import Desk, Visit, leads_to
from gateway_core.web.oauth.forms import parameter
from gateway_core.web.oauth.next_path import ACCOUNT, join_path, setup_path
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
        token = parameter(visit.query, "token") or ""
        if not await self.desk.sign_in.setup.fits(token):
            raise closed()
        return self._setup(visit, token)

    async def own(self, request: Request) -> Response:
        """POST /oauth/setup: make the first owner, or see who they are at the identity provider."""
        visit, fields = await self.desk.posted(request)
        sign_in, token = self.desk.sign_in, fields.get("token", "")
        await sign_in.throttle.check("setup", visit.address)
        if sign_in.provider is not None:
            return moved(await sign_in.provider.begin(next_path=setup_path(token), browser=visit.cookie or ""))
        email, name = fields.get("email", ""), fields.get("name", "")
        try:
            password = fields.get("password", "")
            member = await sign_in.setup.first_owner(token, email=email, name=name, password=password)
        except (Invalid, Conflict) as problem:
            return self._setup(visit, token, wrong=problem.message, email=email, name=name)
        return await self.desk.let_in(visit, member, ACCOUNT)

    async def invited(self, request: Request) -> Response:
        """GET /oauth/join."""
        visit = await self.desk.visit(request)
        await self.desk.sign_in.throttle.check("invitation", visit.address)
        return await self._join(visit, parameter(visit.query, "token") or "")

    async def join(self, request: Request) -> Response:
        """POST /oauth/join: choose a password, or see who they are at the identity provider."""
        visit, fields = await self.desk.posted(request)
        sign_in, token = self.desk.sign_in, fields.get("token", "")
        await sign_in.throttle.check("invitation", visit.address)
        if sign_in.provider is not None:
            return moved(await sign_in.provider.begin(next_path=join_path(token), browser=visit.cookie or ""))
        name = fields.get("name", "")
        try:
            member = await sign_in.invitations.accept(token, name=name, password=fields.get("password", ""))
        except Invalid as problem:
            return await self._join(visit, token, wrong=problem.message, name=name)
        return await self.desk.let_in(visit, member, ACCOUNT)

    def _setup(self, visit: Visit, token: str, *, wrong: str = "", email: str = "", name: str = "") -> Response:
        provider = self.desk.sign_in.provider
        return self.desk.form(
            visit,
            "setup",
            status=422 if wrong else 200,
            form_to=leads_to(provider),
            token=token,
            provider=provider and provider.name,
            password_rule=PASSWORD_RULE,
            email=email,
            name=name,
            wrong=wrong,
        )

    async def _join(self, visit: Visit, token: str, *, wrong: str = "", name: str = "") -> Response:
        member, provider = await self.desk.sign_in.invitations.find(token), self.desk.sign_in.provider
        if member is None:
            raise spent()
        return self.desk.form(
            visit,
            "join",
            status=422 if wrong else 200,
            form_to=leads_to(provider),
            token=token,
            provider=provider and provider.name,
            password_rule=PASSWORD_RULE,
            email=member.email,
            name=name or member.name,
            wrong=wrong,
        )
