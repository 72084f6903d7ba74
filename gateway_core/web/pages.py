"""What a person sees who opens the gateway, or one of its MCP URLs, in a browser. Pure."""

from typing import Final

from gateway_core.access.credentials import KEY_HEADERS
from gateway_core.access.endpoint import Endpoint
from gateway_core.headers import Headers
from gateway_core.protocol.reply import RawHeaders, Reply

FRONT: Final = Reply(303, b"", ((b"location", b"/oauth/account"), (b"cache-control", b"no-store")))
"""To the page that tells people what they can use (`web/oauth/account.py`)."""
_HEADERS: Final[RawHeaders] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_ESCAPED: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""As `html.escape` does it, whose module would bring 2,231 named characters along at each start of the data plane."""
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Gatehouse</title>
<link rel="stylesheet" href="/oauth/style.css">
</head>
<body>
<main>
<h1>{heading}</h1>
<p>{text}
</main>
</body>
</html>
"""
_ENDPOINT: Final = "It is for MCP clients (Claude Code, Cursor, VS Code, the SDKs), not for a browser. "
_SIGN_IN: Final = """Add the URL to yours and sign in when it asks:</p>
<pre>claude mcp add --transport http {name} {url}</pre>
<h2>With an API key instead</h2>
<p>"""
_KEY: Final = """For programs that nobody sits in front of, an administrator of this gateway makes API keys with
<code>gatehouse keys create</code>:</p>
<pre>claude mcp add --transport http {name} {url} --header "Authorization: Bearer YOUR_API_KEY"</pre>"""
_KEY_ONLY: Final = """
<p>A client that asks you to sign in although you gave it a key takes this URL instead, which knows API keys alone:</p>
<pre>{url}</pre>"""


def wanted(headers: Headers) -> bool:
    """True for a browser's visit: it asks for a page and brings no credential. No MCP client asks for HTML."""
    shown = any(headers.get(name) is not None for name in ("authorization", *KEY_HEADERS))
    return "text/html" in (headers.get("accept") or "") and not shown


def leads_to_front(headers: Headers) -> bool:
    """True for whoever may be a person at `/`: all but an MCP client that was given the gateway's address without the
    path of a server, which asks for a stream and would only meet a page of HTML."""
    accepted = (headers.get("accept") or "").lower()
    return "text/event-stream" not in accepted or "text/html" in accepted


def endpoint_page(public_url: str, endpoint: Endpoint) -> Reply:
    """The page for one endpoint. Slugs are the only part of the URL that the visitor chose, and are safe in HTML."""
    here = endpoint._replace(door="mcp")
    name, url = endpoint.server, _url(public_url, here)
    key = _KEY.format(name=name, url=url)
    if here.metadata_url(public_url) is None:
        ways = key
    else:
        ways = _SIGN_IN.format(name=name, url=url) + key
        ways += _KEY_ONLY.format(url=_url(public_url, here._replace(key_only=True)))
    page = _PAGE.format(title="MCP endpoint", heading="This is an MCP endpoint", text=_ENDPOINT + ways)
    return Reply(200, page.encode(), _HEADERS)


def not_found(message: str) -> Reply:
    """What a client would have heard of a URL at which nothing is, for people."""
    text = f'{message.translate(_ESCAPED)}</p>\n<p><a href="/">What you can use here</a></p>'
    page = _PAGE.format(title="Not found", heading="There is nothing here", text=text)
    return Reply(404, page.encode(), _HEADERS)


def _url(public_url: str, endpoint: Endpoint) -> str:
    return (public_url or "https://THIS-GATEWAY") + endpoint.path
