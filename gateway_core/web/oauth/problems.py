"""How a "no" looks: a page with a way on for people, RFC 6749's JSON for clients, a bare line for probes."""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fastapi import Response

from gateway_core.errors import (
    Conflict,
    ConnectFailed,
    GatewayError,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    OAuthError,
    OriginRefused,
    SignInFailed,
    StoreUnavailable,
    TooLarge,
    TooManyRequests,
)
from gateway_core.protocol.header_values import quotable
from gateway_core.web.oauth.next_path import ACCOUNT, another_signin_path
from gateway_core.web.oauth.render import Pages

CLIENT_PATHS: Final = frozenset({"/token", "/register", "/revoke", "/introspect"})
"""Where OAuth clients ask, and nobody with a browser."""
NEVER_STORED: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "Pragma": "no-cache"}
ANY_PAGE: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After",
}
"""For clients that are web pages. No cookie is looked at where these are sent."""


def json_answer(body: Any, status: int, fields: Mapping[str, str]) -> Response:
    """JSON in ASCII, so that no text of anybody can break it."""
    return Response(json.dumps(body).encode(), status, dict(fields), media_type="application/json")


class _Words(NamedTuple):
    title: str
    way_on: str
    account: bool = False
    """Whether there is a link to one's own access, which leads over the sign-in page where nobody is signed in."""


_BY_REASON: Final[Mapping[str, _Words]] = {
    "invalid_client": _Words("This app is not known here", ""),
    "client_not_allowed": _Words("This app is not allowed here", ""),
    "expired_page": _Words("This page has expired", ""),
    "other_browser": _Words("This page cannot be used here", "", account=True),
    "passwords_tried": _Words("Too many attempts", "Forgot the password? An administrator can send you a new link."),
    "setup_closed": _Words("This set-up link does not work", ""),
    "setup_unknown": _Words("This set-up link does not work", ""),
    "set_up_already": _Words("This gateway is set up already", "", account=True),
    "signed_in_already": _Words("You are signed in already", "", account=True),
    "not_yours": _Words("There is nothing to end", "", account=True),
    "invitation_unknown": _Words("This invitation does not work", ""),
    "key_refused": _Words("Connected accounts cannot be read", ""),
}
_BY_CLASS: Final[tuple[tuple[type[GatewayError], _Words], ...]] = (
    (NotFound, _Words("There is no such page", "")),
    (MethodNotAllowed, _Words("This page cannot be asked for like that", "")),
    (TooManyRequests, _Words("Too many attempts", "")),
    (TooLarge, _Words("That was too much at once", "")),
    (OriginRefused, _Words("That came from somewhere else", "")),
    (StoreUnavailable, _Words("The gateway cannot read its store", "Try again in a moment.")),
    (Conflict, _Words("Somebody changed this at the same time", "Load the page again and look what is there now.")),
    (SignInFailed, _Words("You are not signed in", "")),
    (ConnectFailed, _Words("Nothing was connected", "", account=True)),
    (NotAllowed, _Words("Somebody else has to do this", "")),
    (OAuthError, _Words("This request cannot be answered", "Start again from your app.")),
)


def answer(pages: Pages, path: str, error: GatewayError, next_path: str = ACCOUNT) -> Response:
    """The answer that says no at `path`; where signing in helps, it leads on to `next_path`."""
    status = _status(path, error)
    if "/.well-known/" in path:
        if status < 500:
            return Response("Not found\n", 404, dict(ANY_PAGE), media_type="text/plain")
        # Where nothing is found, clients go on and guess; here they are to come back.
        told = "The gateway cannot answer this now. Try again in a moment.\n"
        return Response(told, status, {**NEVER_STORED, **ANY_PAGE}, media_type="text/plain")
    if path in CLIENT_PATHS:
        said = {"error": _code(error), "error_description": quotable(error.message)}
        common = ANY_PAGE if path != "/introspect" else {}
        return json_answer(said, status, {**NEVER_STORED, **common, **_extra(error)})
    words = _words(error)
    page = pages.page(
        "problem",
        status=status,
        title=words.title,
        message=error.message,
        way_on=words.way_on,
        account=ACCOUNT if words.account else "",
        sign_in=another_signin_path(next_path) if isinstance(error, SignInFailed) or next_path != ACCOUNT else "",
    )
    page.headers.update(_extra(error))
    return page


def _status(path: str, error: GatewayError) -> int:
    status = error.http_status if isinstance(error, OAuthError) else error.status
    if status == 401 and path not in CLIENT_PATHS:
        # A page asks for no credential: nobody could give one there.
        return 400
    # What the data plane tells in a 200 is a fault of ours where no call is under way.
    return status if status >= 400 else 500


def _words(error: GatewayError) -> _Words:
    known = _BY_REASON.get(error.reason)
    if known is not None:
        return known
    found = [words for kind, words in _BY_CLASS if isinstance(error, kind)]
    return found[0] if found else _Words("That did not work", "")


def _code(error: GatewayError) -> str:
    if isinstance(error, OAuthError):
        return error.error
    if error.status >= 500:
        return "server_error"
    return "temporarily_unavailable" if isinstance(error, TooManyRequests) else "invalid_request"


def _extra(error: GatewayError) -> dict[str, str]:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after_s)}
    return {"Allow": error.allow} if isinstance(error, MethodNotAllowed) else {}
