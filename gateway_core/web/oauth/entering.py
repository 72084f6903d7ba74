"""Coming in with an account, and going out: the sign-in page, the way back from the identity provider, sign-out."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from gateway_core.errors import NotFound, SignInFailed, TooManyRequests
from gateway_core.registry.members import plain_email
from gateway_core.signin.cookies import clear_cookie, csrf_holds
from gateway_core.signin.provider import Prompt
from gateway_core.web.oauth.desk import STALE, Desk, Visit, leads_to, other_browser, with_cookie
from gateway_core.web.oauth.forms import parameter
from gateway_core.web.oauth.next_path import (
    ACCOUNT,
    ANOTHER,
    JOIN,
    SETUP,
    another_join_path,
    another_signin_path,
    safe_next,
    token_in,
)
from gateway_core.web.oauth.render import moved

SIGNED_OUT: Final = "/oauth/signout"
OVERTAKEN: Final = ("sign_in_unknown", "sign_in_of_another_browser")
"""Why a sign-in cannot be finished that a signed-in browser comes back from, above all with "back" or "reload"."""
RENAMED: Final = (
    "Somebody was signed in in this browser less than a minute ago, but it does not have the answer. If that was you, "
    "sign in again with the same account. With another account, wait a minute first."
)
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
        # A new name would take the place of the one that the browser may have got in another tab meanwhile.
        why = RENAMED if await self.desk.sign_in.sessions.renamed(visit.cookie) else ""
        return await self._page(visit, next_path, another=parameter(visit.query, "as"), wrong=why)

    async def enter(self, request: Request) -> Response:
        """POST /oauth/signin: with e-mail address and password, or off to the identity provider."""
        visit, fields = await self.desk.sent(request)
        next_path = safe_next(fields.get("next"))
        if visit.session is not None:
            # Somebody signed in in another tab meanwhile, which gave the browser another name than this page knows.
            return moved(next_path)
        if not csrf_holds(visit.cookie, fields.get("csrf")):
            # Of two first pages that were asked for at once, the browser keeps the name of one. The other's form does
            # nothing, but what was sent from here is answered with one that can be used.
            email, another = fields.get("email", ""), fields.get("as")
            return await self._page(visit, next_path, status=400, another=another, email=email, wrong=STALE)
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
        await self._counted(email)
        try:
            member = await sign_in.entrance.by_password(email, fields.get("password", ""))
        except SignInFailed as problem:
            return await self._page(visit, next_path, status=403, email=email, wrong=problem.message)
        return await self.desk.let_in(visit, member, next_path)

    async def _counted(self, email: str) -> None:
        # From wherever they come: a guesser has as many addresses as it takes.
        try:
            await self.desk.sign_in.throttle.check("signin_account", plain_email(email))
        except TooManyRequests as problem:
            # Whoever is no guesser has forgotten the password, and hears on the page what helps.
            problem.reason = "passwords_tried"
            raise

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
                return self.desk.problem(request, problem, safe_next(problem.next_path))
            return moved(SIGNED_IN_ALREADY)
        next_path = safe_next(arrived.next_path)
        setup, invitation = (token_in(arrived.next_path, page) for page in (SETUP, JOIN))
        try:
            member = await sign_in.entrance.arrived(arrived, setup=setup, invitation=invitation)
        except SignInFailed as problem:
            return self.desk.problem(request, problem, next_path)
        return await self.desk.let_in(visit, member, next_path)

    async def leave(self, request: Request) -> Response:
        """POST /oauth/signout. With a way back where somebody else is to sign in, or to join."""
        visit, fields = await self.desk.sent(request)
        gone = moved(_after(fields.get("next", "")))
        if visit.session is None:
            # Another tab was quicker, so there is nothing to end.
            return gone
        if not csrf_holds(visit.cookie, fields.get("csrf")):
            raise other_browser()
        await self.desk.sign_in.sessions.end(visit.cookie)
        return with_cookie(gone, clear_cookie(self.desk.public_url))

    async def left(self, request: Request) -> Response:
        """GET /oauth/signout: signed out, or the question whether to."""
        visit = await self.desk.visit(request)
        return self.desk.pages.page("signed_out", csrf=visit.session.csrf if visit.session else "")

    async def _page(
        self, visit: Visit, next_path: str, *, status: int = 200, another: str | None = None, **said: str
    ) -> Response:
        provider = self.desk.sign_in.provider
        return self.desk.form(
            visit,
            "signin",
            status=status,
            form_to=leads_to(provider),
            next=next_path,
            another=ANOTHER if another == ANOTHER else "",
            provider=provider and provider.name,
            setup_open=await self.desk.sign_in.setup.is_open(),
            passwords=self.desk.sign_in.passwords is not None,
            **{"email": "", "wrong": "", **said},
        )


def _after(next_path: str) -> str:
    """Where signing out leads."""
    invitation = token_in(next_path, JOIN)
    if invitation is not None:
        return another_join_path(invitation)
    onward = safe_next(next_path)
    return SIGNED_OUT if onward == ACCOUNT else another_signin_path(onward)
