"""Where a browser goes on after signing in: pages of ours, never an address that somebody put into a link. Pure."""

import re
from typing import Final
from urllib.parse import quote

from gateway_core.web.oauth.forms import parameter

ACCOUNT: Final = "/oauth/account"
SETUP: Final = "/oauth/setup"
JOIN: Final = "/oauth/join"
ANOTHER: Final = "another"
_AUTHORIZE: Final = re.compile(r"/authorize\?[!-\[\]-~]{0,16000}")
"""Printable ASCII but the backslash, which some browsers read as a slash."""
_CONNECT: Final = re.compile(r"/connect/(?:[A-Za-z0-9_-]{1,1024}|[a-z0-9-]{1,63}/[a-z0-9-]{1,63})")
"""A ticket, or the slugs of workspace and server. What waits for the end of it is lost with the session it was in."""
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F))).replace("\\", "")


def safe_next(text: str | None) -> str:
    """`text` where it is one of the places that signing in leads to, else the account page."""
    if text is not None and (_AUTHORIZE.fullmatch(text) or _CONNECT.fullmatch(text)):
        return text
    return ACCOUNT


def authorize_path(query: str) -> str:
    """The path of an authorization request with that query."""
    return f"/authorize?{escaped(query)}"


def escaped(query: str) -> str:
    """`query`, byte for byte, but what no URL may hold is escaped."""
    return quote(query, safe=_PRINTABLE, encoding="latin-1")


def connect_path(workspace: str, server: str) -> str:
    """The page on which the account for a server is connected; both by slug."""
    return f"/connect/{quote(workspace, safe='')}/{quote(server, safe='')}"


def ticket_path(ticket: str) -> str:
    """The same, as a refused call has linked it."""
    return f"/connect/{quote(ticket, safe='')}"


def signin_path(next_path: str) -> str:
    """The sign-in page that leads to `next_path`."""
    return f"/oauth/signin?next={quote(next_path, safe='')}"


def another_signin_path(next_path: str) -> str:
    """The same for somebody who was just not let in, or signed out to be somebody else: they choose an account."""
    return f"{signin_path(next_path)}&as={ANOTHER}"


def setup_path(token: str) -> str:
    """The path of the set-up link. The token is in the query, which access logs leave out."""
    return f"{SETUP}?token={quote(token, safe='')}"


def join_path(token: str) -> str:
    """The path of an invitation link, likewise."""
    return f"{JOIN}?token={quote(token, safe='')}"


def another_join_path(token: str) -> str:
    """The same for somebody who signed out to join: at the identity provider they choose an account."""
    return f"{join_path(token)}&as={ANOTHER}"


def token_in(path: str, page: str) -> str | None:
    """The token of a link to `page`, or None where `path` leads elsewhere."""
    found, _, query = path.partition("?")
    return parameter(query, "token") if found == page else None
