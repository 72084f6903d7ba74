"""Pages are seen under the gateway's own name alone: cookies, and the Origin of what they post, are of one name.

On one machine there are several for the same port, and people type the one that comes to mind.
"""

import re
from typing import Final
from urllib.parse import quote

from gateway_core.headers import read_headers
from gateway_core.settings import LOOPBACK_HOSTS
from gateway_core.web.oauth.next_path import escaped
from gateway_core.web.oauth.render import moved
from gateway_core.web.outlet import AsgiApp, Receive, Scope, Send

_THIS_MACHINE: Final = re.compile(rf"({'|'.join(map(re.escape, sorted(LOOPBACK_HOSTS)))})(?::([0-9]{{1,5}}))?")
_USUAL_PORTS: Final = {"http": "80", "https": "443"}


def under_own_name(public_url: str, app: AsgiApp) -> AsgiApp:
    """`app`, whose pages send a browser that came by another name of this machine on to the same page of `public_url`.

    Never anywhere else, and nothing that is posted: what a page of another name sends is refused as ever.
    """

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        host = read_headers(scope["headers"]).get("host") or ""
        if scope["method"] in ("GET", "HEAD") and _is_page(scope["path"]) and goes_by_another(host, public_url):
            query = escaped(scope.get("query_string", b"").decode("latin-1"))
            await moved(public_url + quote(scope["path"]) + (query and f"?{query}"))(scope, receive, send)
            return
        await app(scope, receive, send)

    return named


def goes_by_another(host: str, public_url: str) -> bool:
    """True for a `Host` that is another name of this machine than that of `public_url`, with the same port.

    Where `public_url` is no name of this machine, a proxy stands in front, which may well call us by one.
    """
    scheme, _, own = public_url.lower().partition("://")
    came, ours = _THIS_MACHINE.fullmatch(host.lower()), _THIS_MACHINE.fullmatch(own)
    if came is None or ours is None or came[1] == ours[1]:
        return False
    usual = _USUAL_PORTS.get(scheme)
    return (came[2] or usual) == (ours[2] or usual)


def _is_page(path: str) -> bool:
    return path == "/authorize" or path.startswith("/oauth/")
