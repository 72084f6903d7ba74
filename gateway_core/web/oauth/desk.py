"""What every page works with, and one visit of a browser as it arrives."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

from gateway_core.connect.linking import Linking
from gateway_core.errors import BadRequest, Conflict, GatewayError
from gateway_core.headers import Headers, read_headers
from gateway_core.issuer.grants import Grants
from gateway_core.issuer.issuer import Issuer
from gateway_core.registry.members import Member
from gateway_core.signin.cookies import csrf_holds, csrf_token, new_value, read_cookie, set_cookie
from gateway_core.signin.provider import Provider
from gateway_core.signin.sessions import Session
from gateway_core.signin.sign_in import SignIn
from gateway_core.web.oauth.forms import check_own_page, read_form
from gateway_core.web.oauth.problems import answer
from gateway_core.web.oauth.reach import Reach
from gateway_core.web.oauth.render import Pages, moved
from gateway_core.web.oauth.stamps import Stamps

STALE: Final = (
    "This form was made for another tab or browser, so nobody was signed in. Use this one. If it says the same again, "
    "allow this site to keep cookies."
)
"""What stands over a form that is shown anew, where the one that was sent belongs to no name of this browser."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a browser."""

    query: str
    """Byte for byte."""
    headers: Headers
    address: str
    """Where it comes from, for throttling."""
    cookie: str | None
    session: Session | None


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts that pages are made of."""

    public_url: str
    issuer: Issuer
    grants: Grants
    sign_in: SignIn
    reach: Reach
    linking: Linking
    stamps: Stamps
    pages: Pages

    async def visit(self, request: Request) -> Visit:
        """Who is at the browser that sent `request`."""
        headers = read_headers(request.scope["headers"])
        cookie = read_cookie(self.public_url, headers.get("cookie"))
        session = await self.sign_in.sessions.find(cookie)
        query: bytes = request.scope.get("query_string", b"")
        return Visit(query.decode("latin-1"), headers, address_of(request), cookie, session)

    async def posted(self, request: Request) -> tuple[Visit, dict[str, str]]:
        """The same for a form of ours, with its fields.

        Raises:
            OriginRefused: It was sent from a page of somebody else.
            BadRequest: It cannot be read, or the page was given to another browser or session.
        """
        visit, fields = await self.sent(request)
        if not csrf_holds(visit.cookie, fields.get("csrf")):
            raise other_browser()
        return visit, fields

    async def sent(self, request: Request) -> tuple[Visit, dict[str, str]]:
        """The same, whichever browser the page was given to: nothing may be done for it yet.

        Raises:
            OriginRefused: It was sent from a page of somebody else.
            BadRequest: It cannot be read.
        """
        visit = await self.visit(request)
        check_own_page(visit.headers, self.public_url)
        return visit, read_form(visit.headers, await request.body())

    def problem(self, request: Request, error: GatewayError, next_path: str) -> Response:
        """The page that says no, from which signing in leads on to `next_path`."""
        return answer(self.pages, request.scope["path"], error, next_path)

    def form(self, visit: Visit, template: str, *, status: int = 200, form_to: str = "", **facts: object) -> Response:
        """A page with a form for somebody who may not be signed in: the browser gets a name, and the form a token that
        only goes with it."""
        cookie = visit.cookie or new_value()
        page = self.pages.page(template, status=status, form_to=form_to, csrf=csrf_token(cookie), **facts)
        return page if visit.cookie else with_cookie(page, set_cookie(self.public_url, cookie))

    async def let_in(self, visit: Visit, member: Member, next_path: str) -> Response:
        """Sign the browser in under a new name, and send it on: who knew the old name comes in nowhere. Where the
        answer with the new name was lost, the browser gets it once more."""
        try:
            cookie = await self.sign_in.sessions.start(member.id, instead_of=visit.cookie)
        except Conflict:
            # Another tab was quicker by a moment, with another account. A second name would make the page there
            # worthless; where a browser has none of them, the sign-in page says why (`entering.Entering.ask`).
            return moved(next_path)
        return with_cookie(moved(next_path), set_cookie(self.public_url, cookie))


def other_browser() -> BadRequest:
    """The refusal of a page that was made for another browser, or for a session that has ended."""
    return BadRequest(
        "This page belongs to another browser, or to a sign-in that has ended. If an app sent you here, start again "
        "from it.",
        reason="other_browser",
    )


def address_of(request: Request) -> str:
    """The address that a request came from, as the server in front of the application says. No header is looked at
    here; whether that server believes one of a proxy is for whoever runs it to say."""
    return request.client.host if request.client else "unknown"


def with_cookie(response: Response, line: str) -> Response:
    """`response`, which also sets a cookie."""
    response.headers.append("Set-Cookie", line)
    return response


def leads_to(provider: Provider | None) -> str:
    """The CSP source for a form that leads to the identity provider.

    Its whole scheme: providers send people on to the sign-in of their own organisation, on hosts that we cannot know,
    and Chromium holds `form-action` against every step of the way.
    """
    return "" if provider is None else f"{provider.registration.issuer.partition('://')[0]}:"
