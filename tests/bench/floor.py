"""The floor: a streaming proxy that does the least a gateway may do. It checks a token, parses, writes anew, passes on.

`python -m tests.bench.floor --port N --upstream URL --key KEY`. What the gateway costs is told in multiples of this.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import AsyncIterator

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

FORWARDED = ("accept", "mcp-protocol-version", "mcp-session-id")
SESSION = web.AppKey("session", ClientSession)


def proxy(upstream: str, key: str) -> web.Application:
    """The application in front of `upstream`, for callers that hold `key`."""
    known = {hashlib.sha256(key.encode()).hexdigest(): "ci"}

    async def client(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar()) as session:
            app[SESSION] = session
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if hashlib.sha256(token.encode()).hexdigest() not in known:
            return web.json_response({"error": "unknown key"}, status=401)
        call = json.loads(await request.read())
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        headers["content-type"] = "application/json"
        body = json.dumps(call, separators=(",", ":")).encode()
        async with request.app[SESSION].post(upstream, data=body, headers=headers) as found:
            return await passed_on(request, found.status, found.content_type, found.content.iter_any())

    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_post("/mcp", forward)
    return app


async def passed_on(
    request: web.Request, status: int, content_type: str, chunks: AsyncIterator[bytes]
) -> web.StreamResponse:
    """JSON in one piece, events as they come."""
    if content_type != "text/event-stream":
        body = b"".join([chunk async for chunk in chunks])
        return web.Response(body=body, status=status, content_type=content_type)
    answer = web.StreamResponse(status=status, headers={"content-type": content_type})
    await answer.prepare(request)
    async for chunk in chunks:
        await answer.write(chunk)
    await answer.write_eof()
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--key", required=True)
    chosen = parser.parse_args()
    web.run_app(proxy(chosen.upstream, chosen.key), host="127.0.0.1", port=chosen.port, print=None, access_log=None)
