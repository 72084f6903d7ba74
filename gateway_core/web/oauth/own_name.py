"""Pages are seen under the gateway's own name alone: cookies, and the Origin of what they post, are of one name.

On one machine there are several for the same port, and people type the one that comes to mind.
"""

from typing import Final
from urllib.parse import quote

from gateway_core.access.names import goes_by_another
from gateway_core.headers import read_headers
from gateway_core.web.oauth.next_path import escaped
from gateway_core.web.oauth.render import moved
from gateway_core.web.outlet import AsgiApp, Receive, Scope, Send

_FILES: Final = frozenset({"/oauth/style.css", "/oauth/icon.svg"})
"""What pages of any name show: under `style-src 'self'` it may not come from another (CSP 3, section 6.7.2.8)."""


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


def _is_page(path: str) -> bool:
    return path == "/authorize" or (path.startswith(("/oauth/", "/connect/")) and path not in _FILES)
