"""The store behind every call: asked once, and when it fails nobody is let in and nothing is guessed."""

import socket
from dataclasses import replace
from typing import Any

from gateway_core.compose_lean import data_plane
from gateway_core.errors import StoreUnavailable
from gateway_core.local.server import local_world
from gateway_core.settings import Settings
from tests.flows.actors import PUBLIC, granted, joined, workspace_id
from tests.flows.gateways import Lines, call, gateway
from tests.flows.upstreams import serving, upstream, weather


class Failing:
    """A store whose every verb fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, verb: str) -> Any:
        async def fail(*_: Any, **__: Any) -> Any:
            raise self.error

        return fail


async def test_without_its_store_the_gateway_lets_nobody_in_and_says_why(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        settings = Settings(public_url="http://127.0.0.1:8787", gatehouse_data=tmp_path)
        for error, status, words in [
            (StoreUnavailable("The database did not answer."), 503, "The database did not answer."),
            (RuntimeError("a bug, with a secret detail"), 500, "The gateway failed on this request."),
        ]:
            records = Lines()
            world = replace(local_world(settings, gw.table), table=Failing(error), records=records)
            mcp = data_plane(settings, world)
            async with serving(mcp) as port:
                response = await gw.http.post(f"http://127.0.0.1:{port}/weather/mcp", json=call(), headers=gw.headers())
            await mcp.close()
            assert response.status_code == status
            assert words in response.json()["error"]["message"]
            assert "secret detail" not in response.text
            assert records.lines[0]["outcome"] == "failed"
        assert server.seen == []


async def test_a_name_that_resolves_to_a_private_address_is_never_called(tmp_path, monkeypatch):
    resolve = socket.getaddrinfo
    asked = []

    def resolving(host: Any, *arguments: Any, **named: Any) -> Any:
        asked.append(host)
        return resolve("10.9.8.7" if host == "internal.example" else host, *arguments, **named)

    async with gateway(tmp_path, {"weather": "https://internal.example/mcp"}) as gw:
        monkeypatch.setattr(socket, "getaddrinfo", resolving)
        response = await gw.post("/weather/mcp", call())
        assert "internal.example" in asked
        assert response.json()["result"]["isError"] is True
        assert gw.records.lines[-1]["reason"] == "upstream_unreachable"
        assert "10.9.8.7" not in response.text


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, table: Any) -> None:
        self.table, self.asked = table, []  # type: ignore[var-annotated]

    def __getattr__(self, verb: str) -> Any:
        self.asked.append(verb)
        return getattr(self.table, verb)


async def test_a_call_of_a_known_caller_asks_the_store_once_and_writes_nothing(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        ana = await joined(gw, "ana@acme.dev", research="member")
        place, url = await workspace_id(gw, "research"), f"{PUBLIC}/research/weather/mcp"
        _, token = await granted(gw, ana.id, place=place, resource=url, scope="mcp")
        own, _ = await gw.new_key(kind="user", subject="ana@acme.dev")
        table = Counting(gw.table)
        settings = Settings(public_url=PUBLIC, gatehouse_data=tmp_path)
        world = replace(local_world(settings, gw.table), table=table, records=Lines(), clock=gw.world.clock)
        mcp = data_plane(settings, world)
        async with serving(mcp) as port:
            for credential in (gw.key, own, token):
                for first in (True, False, False):
                    table.asked.clear()
                    response = await gw.http.post(
                        f"http://127.0.0.1:{port}/research/weather/mcp", json=call(), headers=gw.headers(credential)
                    )
                    assert response.status_code == 200
                    assert first or table.asked == ["get_many"], credential[:4]
        await mcp.close()
