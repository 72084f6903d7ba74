"""The page a person sees who opens an MCP URL in a browser. Pure."""

from typing import Final

from gateway_core.headers import Headers
from gateway_core.protocol.reply import RawHeaders, Reply

_HEADERS: Final[RawHeaders] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>MCP endpoint · Gatehouse</title>
</head>
<body>
<h1>This is an MCP endpoint</h1>
<p>It is for MCP clients (Claude Code, Cursor, VS Code, the SDKs), not for a browser. Add it to yours:</p>
<pre>claude mcp add --transport http {name} {url} --header "Authorization: Bearer YOUR_API_KEY"</pre>
<p>An administrator of this gateway makes API keys with <code>gatehouse keys create</code>.</p>
</body>
</html>
"""


def wanted(headers: Headers) -> bool:
    """True for a browser's visit: it asks for a page and brings no credential. No MCP client asks for HTML."""
    return "text/html" in (headers.get("accept") or "") and headers.get("authorization") is None


def endpoint_page(public_url: str, workspace: str | None, server: str) -> Reply:
    """The page for one endpoint. Slugs are the only part of the URL that the visitor chose, and are safe in HTML."""
    path = f"{workspace}/{server}" if workspace else server
    page = _PAGE.format(name=server, url=f"{public_url or 'https://THIS-GATEWAY'}/{path}/mcp")
    return Reply(200, page.encode(), _HEADERS)
