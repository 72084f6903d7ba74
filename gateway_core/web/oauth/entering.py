"""Coming in with an account, and going out: the sign-in page, the way back from the identity provider, sign-out."""

from dataclasses import dataclass, replace
from typing import Final

from fastapi import Request, Response

from gateway_core.errors import NotFound, SignInFailed
from gateway_core.registry.members import plain_email
from gateway_core.signin.cookies import clear_cookie, csrf_holds
from gateway_core.signin.provider import Prompt
from gateway_core.web.oauth.desk import Desk, Visit, leads_to, other_browser, with_cookie
from gateway_core.web.oauth.forms import parameter
from gateway_core.web.oauth.next_path import (
    ACCOUNT,
    ANOTHER,
    JOIN,
    SETUP,
    another_signin_path,
    safe_next,
    token_in,
)
from gateway_core.web.oauth.render import moved

SIGNED_OUT: Final = "/oauth/signout"
OVERTAKEN: Final = ("sign_in_unknown", "sign_in_of_another_browser")
"""Why a sign-in cannot be finished that a signed-in browser comes back from, above all with "back" or "reload"."""
SIGNED_IN_ALREADY: Final = f"{ACCOUNT}?ended=sign_in"


@dataclass(frozen=True, slots=True)
class Entering:
    """Sign-in and sign-out."""

    desk: Desk

    async def ask(self, request: Request) -> Response:
        """GET /oauth/signin. Who is signed in goes on at once."""
        visit = await self.desk.visit(request)
        next_path = safe_next(parameter(visit.query, "next"))
        if visit.session is not None:
            return moved(next_path)
        if await self.desk.sign_in.sessions.renamed(visit.cookie):
            # The answer with its new name was lost. Under this one nobody could sign in for a while.
            visit = replace(visit, cookie=None)
        return await self._page(visit, next_path, another=parameter(visit.query, "as") == ANOTHER)

    async def enter(self, request: Request) -> Response:
        """POST /oauth/signin: with e-mail address and password, or off to the identity provider."""
        visit, fields = await self.desk.sent(request)
        next_path = safe_next(fields.get("next"))
        if visit.session is not None:
            # Somebody signed in in another tab meanwhile, which gave the browser another name than this page knows.
            return moved(next_path)
        if not csrf_holds(visit.cookie, fields.get("csrf")):
            return self.desk.problem(request, other_browser(), next_path)
        await self.desk.sign_in.throttle.check("signin_address", visit.address)
        try:
            return await self._entered(visit, fields, next_path)
        except SignInFailed as problem:
            return self.desk.problem(request, problem, next_path)

    async def _entered(self, visit: Visit, fields: dict[str, str], next_path: str) -> Response:
        sign_in = self.desk.sign_in
        if sign_in.provider is not None:
            # Whoever the provider remembers would else come straight back as the same person.
            prompt: Prompt | None = "select_account" if fields.get("as") == ANOTHER else None
            at = await sign_in.provider.begin(next_path=next_path, browser=visit.cookie or "", prompt=prompt)
            return moved(at)
        email = fields.get("email", "")
        # From wherever they come: a guesser has as many addresses as it takes.
        await sign_in.throttle.check("signin_account", plain_email(email))
        try:
            member = await sign_in.entrance.by_password(email, fields.get("password", ""))
        except SignInFailed as problem:
            return await self._page(visit, next_path, email=email, wrong=problem.message)
        return await self.desk.let_in(visit, member, next_path)

    async def back(self, request: Request) -> Response:
        """GET /oauth/callback: the identity provider sent the browser back."""
        visit, sign_in = await self.desk.visit(request), self.desk.sign_in
        if sign_in.provider is None:
            raise NotFound("People sign in here with a password; no identity provider sends them back.")
        # Not counted: a state is sealed for this browser and used once, and was counted when it was made.
        if visit.session is not None:
            meant = await sign_in.provider.overtaken(visit.query, before=visit.session.before)
            if meant is not None:
                # Another tab was quicker, and who it signed in stays: its page may be waiting for a click as them.
                return moved(meant if meant == safe_next(meant) else SIGNED_IN_ALREADY)
        try:
            arrived = await sign_in.provider.finish(visit.query, browser=visit.cookie)
        except SignInFailed as problem:
            if visit.session is None or problem.reason not in OVERTAKEN:
                raise
            return moved(SIGNED_IN_ALREADY)
        next_path = safe_next(arrived.next_path)
        setup, invitation = (token_in(arrived.next_path, page) for page in (SETUP, JOIN))
        try:
            member = await sign_in.entrance.arrived(arrived, setup=setup, invitation=invitation)
        except SignInFailed as problem:
            return self.desk.problem(request, problem, next_path)
        return await self.desk.let_in(visit, member, next_path)

    async def leave(self, request: Request) -> Response:
        """POST /oauth/signout. With a way back where somebody else is to sign in."""
        visit, fields = await self.desk.posted(request)
        await self.desk.sign_in.sessions.end(visit.cookie)
        next_path = safe_next(fields.get("next"))
        gone = moved(SIGNED_OUT if next_path == ACCOUNT else another_signin_path(next_path))
        return with_cookie(gone, clear_cookie(self.desk.public_url))

    async def left(self, request: Request) -> Response:
        """GET /oauth/signout: signed out, or the question whether to."""
        visit = await self.desk.visit(request)
        return self.desk.pages.page("signed_out", csrf=visit.session.csrf if visit.session else "")

    async def _page(
        self, visit: Visit, next_path: str, *, email: str = "", wrong: str = "", another: bool = False
    ) -> Response:
        provider = self.desk.sign_in.provider
        return self.desk.form(
            visit,
            "signin",
            status=403 if wrong else 200,
            form_to=leads_to(provider),
            next=next_path,
            another=ANOTHER if another else "",
            provider=provider and provider.name,
            setup_open=await self.desk.sign_in.setup.is_open(),
            passwords=self.desk.sign_in.passwords is not None,
            email=email,
            wrong=wrong,
        )
