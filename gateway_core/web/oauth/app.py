"""The application of pages and OAuth endpoints: one table of paths, and how every "no" is told."""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from gateway_core.connect.client_metadata import CALLBACK_PATH, DOCUMENT_PATH
from gateway_core.errors import GatewayError, MethodNotAllowed, NotFound
from gateway_core.ports import Clock, Table
from gateway_core.web.edge import Edge
from gateway_core.web.oauth.account import Account
from gateway_core.web.oauth.coming_back import CONNECTED, ComingBack
from gateway_core.web.oauth.connecting import Connecting
from gateway_core.web.oauth.consent import Consent
from gateway_core.web.oauth.desk import Desk
from gateway_core.web.oauth.door import behind_door
from gateway_core.web.oauth.endpoints import Endpoints, own_document, preflight
from gateway_core.web.oauth.entering import Entering
from gateway_core.web.oauth.key_set import PATH as KEY_SET_PATH
from gateway_core.web.oauth.key_set import KeySet
from gateway_core.web.oauth.next_path import setup_path
from gateway_core.web.oauth.own_name import under_own_name
from gateway_core.web.oauth.pending_consents import PendingConsents
from gateway_core.web.oauth.problems import answer
from gateway_core.web.oauth.render import STILL_HEADERS, Pages
from gateway_core.web.oauth.setting_up import SettingUp
from gateway_core.web.outlet import Receive, Scope, Send

Page = Callable[[Request], Awaitable[Response]]
FOREVER: Final = "public, max-age=31536000, immutable"
"""The style sheet's URL holds its digest."""


class OAuthApp:
    """The application behind its door, with what it holds open.

    Args:
        desk: The parts of the pages; also an attribute.
        table: Where keys are kept.
        edge: The door.
        close: Called once at the end.
        key_set: What servers verify with who calls.
    """

    def __init__(
        self, desk: Desk, table: Table, edge: Edge, close: Callable[[], Awaitable[None]], key_set: KeySet
    ) -> None:
        app = oauth_app(desk, key_set, table=table, clock=desk.stamps.clock)
        self._app = behind_door(edge, desk.pages, under_own_name(desk.public_url, app))
        self.desk = desk
        self.close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    async def setup_link(self) -> str | None:
        """The one-time link that makes the first owner, while there is none. A secret."""
        token = await self.desk.sign_in.setup.token()
        return None if token is None else self.desk.public_url + setup_path(token)


def oauth_app(desk: Desk, key_set: KeySet, *, table: Table, clock: Clock) -> FastAPI:
    """The application without its door."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    _problems(app, desk.pages)
    consent = Consent(desk, PendingConsents(table, clock))
    _pages(app, desk, Account(desk, table, clock), consent)
    _connecting(app, Connecting(desk, consent), ComingBack(desk, consent))
    _endpoints(app, Endpoints(desk.issuer, desk.sign_in.throttle))
    _at(app, DOCUMENT_PATH, get=own_document(desk.linking.own, table))
    _at(app, KEY_SET_PATH, get=key_set.show, options=preflight)
    return app


def owns(path: str) -> bool:
    """True for the paths that are this application's, where it shares a port with others."""
    return path in _OWN or path.startswith(("/oauth/", "/connect/", "/.well-known/"))


def _pages(app: FastAPI, desk: Desk, account: Account, consent: Consent) -> None:
    entering, setting_up = Entering(desk), SettingUp(desk)
    _at(app, "/authorize", get=consent.ask, post=consent.decide)
    _at(app, "/oauth/signin", get=entering.ask, post=entering.enter)
    _at(app, "/oauth/callback", get=entering.back)
    _at(app, "/oauth/signout", get=entering.left, post=entering.leave)
    _at(app, "/oauth/setup", get=setting_up.ask, post=setting_up.own)
    _at(app, "/oauth/join", get=setting_up.invited, post=setting_up.join)
    _at(app, "/oauth/account", get=account.show, post=account.end)
    _at(app, "/oauth/style.css", get=_file(desk.pages.style, "text/css; charset=utf-8"))
    _at(app, "/oauth/icon.svg", get=_file(desk.pages.icon, "image/svg+xml"))


def _connecting(app: FastAPI, connecting: Connecting, coming_back: ComingBack) -> None:
    _at(app, "/connect/{ticket}", get=connecting.by_ticket)
    _at(app, "/connect/{workspace}/{server}", get=connecting.ask, post=connecting.leave)
    _at(app, "/connect/{workspace}/{server}/disconnect", post=connecting.disconnect)
    _at(app, CALLBACK_PATH, get=coming_back.back)
    _at(app, CONNECTED, get=coming_back.done)


def _endpoints(app: FastAPI, endpoints: Endpoints) -> None:
    _at(app, "/.well-known/oauth-authorization-server", get=endpoints.server_metadata, options=preflight)
    _at(app, "/.well-known/oauth-protected-resource", get=endpoints.resource_metadata, options=preflight)
    _at(app, "/.well-known/oauth-protected-resource/{path:path}", get=endpoints.resource_metadata, options=preflight)
    _at(app, "/token", post=endpoints.token, options=preflight)
    _at(app, "/register", post=endpoints.register, options=preflight)
    _at(app, "/revoke", post=endpoints.revoke, options=preflight)
    _at(app, "/introspect", post=endpoints.introspect)


def _at(app: FastAPI, path: str, **by_method: Page) -> None:
    """One route for one path, so that a wrong method hears of all that there are."""
    pages = {method.upper(): page for method, page in by_method.items()}
    if "GET" in pages:
        # Nothing does so by itself, and clients ask: Gemini's command line begins with HEAD.
        pages["HEAD"] = pages["GET"]

    async def page(request: Request) -> Response:
        return await pages[request.method](request)

    app.add_api_route(path, page, methods=list(pages))


def _file(content: bytes, kind: str) -> Page:
    async def page(_: Request) -> Response:
        return Response(content, headers={**STILL_HEADERS, "Cache-Control": FOREVER}, media_type=kind)

    return page


def _problems(app: FastAPI, pages: Pages) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)  # noqa: S101 - registered for this class
        return answer(pages, request.scope["path"], error)

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            told: GatewayError = MethodNotAllowed("It takes other methods.", allow=allowed)
        else:
            told = NotFound("Check the address, or start again from your app.")
        return answer(pages, request.scope["path"], told)

    async def broken(request: Request, _: Exception) -> Response:
        told = GatewayError("The gateway made a mistake. Try again; if it stays, tell its administrator.")
        return answer(pages, request.scope["path"], told)

    app.add_exception_handler(GatewayError, refused)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(Exception, broken)


_OWN: Final = frozenset({"/authorize", "/token", "/register", "/revoke", "/introspect", "/oauth"})
