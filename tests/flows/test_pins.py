"""A wrong `transport` or `era` in the configuration: who calls hears what an administrator should check, and a server's
own answers stay its own."""

import pytest

from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import NoAuth
from gateway_core.upstream.spoken import doubt
from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import INITIALIZE, Gateway, gateway
from tests.flows.upstreams import Asked, Json, unaided
from tests.flows.visitors import ModernVisitor

PATH = "/weather/mcp"
MODERN = {"era": "modern"}
OVER_HTTP = {"transport": "http", "era": "legacy"}
OVER_SSE = {"transport": "sse"}


class Stream(HttpSse):
    """As servers of this transport are made: at the address of the stream nothing can be posted."""

    async def __call__(self, asked: Asked) -> None:
        if asked.method == "POST" and asked.path.startswith("/mcp"):
            await asked.respond.raw(b"Method Not Allowed", 405, {"content-type": "text/plain"})
        else:
            await super().__call__(asked)


class Refusing(Legacy):
    """Answers every POST without a session that it knows as the SDKs do: with an error that names no call."""

    async def __call__(self, asked: Asked) -> None:
        if asked.rpc == "initialize" or "mcp-session-id" in asked.headers or asked.method != "POST":
            return await super().__call__(asked)
        error = {"code": -32600, "message": "Bad Request: Missing session ID"}
        return await asked.respond.json({"jsonrpc": "2.0", "id": "server-error", "error": error}, 400)


WRONG: dict[str, tuple[type, Json, str]] = {
    "a modern one that is legacy": (Refusing, MODERN, "`era: modern`"),
    "a modern one that speaks HTTP+SSE": (Stream, MODERN, "`era: modern`"),
    "HTTP+SSE that is Streamable HTTP": (Refusing, OVER_SSE, "`transport: sse`"),
    "HTTP+SSE that is modern": (Modern, OVER_SSE, "`transport: sse`"),
    "a legacy one that is modern": (Modern, {"era": "legacy"}, "`era: legacy`"),
    "legacy Streamable HTTP that is HTTP+SSE": (Stream, OVER_HTTP, "`transport: http` and `era: legacy`"),
}


async def heard(gw: Gateway) -> list[str]:
    """What a client of either era is told when it begins."""
    legacy = (await gw.post(PATH, INITIALIZE)).json()["error"]["message"]
    modern = (await ModernVisitor(gw).ask("tools/call"))["result"]["content"][0]["text"]
    return [legacy, modern]


@pytest.mark.parametrize(("kind", "said", "pins"), WRONG.values(), ids=WRONG.keys())
async def test_who_reaches_a_server_that_is_said_to_be_another_hears_what_was_said(tmp_path, kind, said, pins):
    async with unaided(kind()) as server:
        setup = {"url": server.url, "name": "Weather", "timeout_s": 10, **said}
        async with gateway(tmp_path, {"weather": setup}) as gw:
            for told in await heard(gw):
                assert told.startswith("Weather ")
                assert f"It is set to {pins} in the configuration; an administrator should check that" in told
            assert {asked.rpc for asked in server.seen} <= {"initialize", "server/discover", "tools/call", ""}


async def test_a_modern_client_hears_it_of_a_modern_server_that_is_said_to_be_legacy(tmp_path):
    async with unaided(Modern()) as server, gateway(tmp_path, {"weather": {"url": server.url, **OVER_HTTP}}) as gw:
        told = (await ModernVisitor(gw).ask("tools/call"))["result"]["content"][0]["text"]
        assert "It is set to `transport: http` and `era: legacy` in the configuration" in told


async def test_a_servers_own_answers_stay_its_own_whatever_was_said(tmp_path):
    error = {"code": -32600, "message": "No such forecast."}

    async def refusing(asked: Asked) -> None:
        await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}, 400)

    async with unaided(refusing) as server:
        servers = {"weather": {"url": server.url, **MODERN}, "linear": {"url": server.url, **OVER_HTTP}}
        async with gateway(tmp_path, servers) as gw:
            assert (await ModernVisitor(gw).ask("tools/call"))["error"] == error
            assert (await gw.post("/linear/mcp", INITIALIZE)).json()["error"] == error


UNABLE = {401: "demands a log-in (HTTP 401)", 503: "failed (HTTP 503)", 302: "redirects to another address"}


@pytest.mark.parametrize(("status", "words"), UNABLE.items(), ids=map(str, UNABLE))
async def test_a_server_that_cannot_answer_now_is_not_said_to_be_another(tmp_path, status, words):
    async def unable(asked: Asked) -> None:
        await asked.respond.raw(b"", status)

    async with unaided(unable) as server:
        for said in (MODERN, OVER_HTTP, OVER_SSE):
            (folder := tmp_path / said.get("transport", "any")).mkdir()
            async with gateway(folder, {"weather": {"url": server.url, **said}}) as gw:
                for told in await heard(gw):
                    assert words in told
                    assert "It is set to" not in told


async def test_what_was_found_out_casts_no_doubt_on_the_configuration(tmp_path):
    async def nothing(asked: Asked) -> None:
        await asked.respond.raw(b"", 404)

    async with unaided(nothing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for told in await heard(gw):
            assert told.endswith("An administrator should check its URL.")
    (tmp_path / "half").mkdir()
    half = {"weather": {"url": server.url, "transport": "http"}}
    async with unaided(nothing) as server, gateway(tmp_path / "half", half) as gw:
        half["weather"]["url"] = server.url
        await gw.apply({"servers": [{"slug": "weather", "workspaces": ["research"], **half["weather"]}]})
        for told in await heard(gw):
            assert "`transport: http` in the configuration; an administrator should check that, and its URL." in told


def test_doubt_names_only_what_was_said():
    server = Server("s", "s", "S", "https://a.example/mcp", "auto", NoAuth(), "all")
    assert (doubt(server), doubt(server, besides="its URL")) == ("", " An administrator should check its URL.")
