"""An upstream that fails in every way it can: the client always gets words, and `tools/call` is never sent twice."""

import asyncio
import json
import re
import time
from typing import Any

import httpx2
import pytest

from gateway_core.proxy.forwarding import Forwarding
from tests.evil import closed_port, evil_upstream
from tests.flows.gateways import call, events, gateway
from tests.flows.upstreams import Asked, result, serving, text, upstream, weather

UNKNOWN = " What it did with the call is unknown: check before you repeat it."
FAULTS = {
    "no-answer": "The server closed the connection before it answered." + UNKNOWN,
    "rst": "The server closed the connection before its answer was complete." + UNKNOWN,
    "rst-in-body": "The server closed the connection before its answer was complete." + UNKNOWN,
    "half-close": "The server's answer stopped early." + UNKNOWN,
    "short-length": "The server's answer stopped early." + UNKNOWN,
    "garbage": "The server's answer is no HTTP that can be read.",
    "giant-header": "The headers of the server's answer are larger than 16 KiB.",
    "endless-headers": "The headers of the server's answer are larger than 16 KiB.",
    "redirect": "redirects to another address (HTTP 307), which the gateway does not follow.",
    "upgrade": "The server's answer is no HTTP that can be read.",
    "silent": "The server did not answer within 0.7 s." + UNKNOWN,
    "slow-header": "The server did not answer within 0.7 s." + UNKNOWN,
    "drip": "The server did not finish its answer within 0.7 s." + UNKNOWN,
    "oversize-length": "The server's answer is larger than 20 MiB.",
    "oversize": "One message of the answer is larger than 8 MiB.",
    "gzip-bomb": "One message of the answer is larger than 8 MiB.",
}


@pytest.mark.parametrize("mode", FAULTS)
async def test_a_fault_of_the_upstream_becomes_a_tool_error_in_words_after_one_attempt(tmp_path, mode):
    async with evil_upstream() as evil:
        known = {"era": "legacy", "transport": "http"}
        servers = {"weather": {"url": evil.url(mode), "name": "Weather", "timeout_s": 0.7, **known}}
        async with gateway(tmp_path, servers) as gw:
            begun = time.monotonic()
            response = await gw.post("/weather/mcp", call())
            assert time.monotonic() - begun < 3
            assert response.status_code == 200
            messages = events(response) if "event-stream" in response.headers["content-type"] else [response.json()]
            told = messages[-1]["result"]
            assert told["isError"] is True
            assert FAULTS[mode] in told["content"][0]["text"]
            assert "127.0.0.1" not in response.text
            assert told["_meta"]["gatehouse/requestId"] == response.headers["x-request-id"]
            assert len(evil.seen) == 1
            assert gw.records.lines[-1]["outcome"] == "failed"
            assert gw.records.lines[-1]["reason"].startswith("upstream_")


async def test_an_upstream_that_is_down_is_told_apart_from_one_that_failed(tmp_path):
    async with gateway(tmp_path, {"weather": f"http://127.0.0.1:{closed_port()}/mcp"}) as gw:
        response = await gw.post("/weather/mcp", call())
        assert response.json()["result"]["isError"] is True
        assert gw.records.lines[-1]["reason"] == "upstream_unreachable"
        listed = await gw.post("/weather/mcp", {"jsonrpc": "2.0", "id": "a", "method": "tools/list"})
        assert listed.status_code == 200
        assert listed.json()["id"] == "a"
        assert listed.json()["error"]["code"] == -32603
        assert listed.json()["error"]["data"]["reason"] == "upstream_unreachable"


async def test_a_modern_client_gets_a_complete_result_that_says_the_upstream_failed(tmp_path):
    async with gateway(tmp_path, {"weather": f"http://127.0.0.1:{closed_port()}/mcp"}) as gw:
        response = await gw.modern("/weather/mcp", "tools/call", {"name": "forecast", "arguments": {}})
        assert response.status_code == 200
        assert response.json()["result"]["resultType"] == "complete"
        assert response.json()["result"]["isError"] is True


STATUSES = {
    401: (
        "weather demands a log-in (HTTP 401), and its auth here is `none`: the gateway has no credential for it. "
        "Whoever administers this server here should set its `auth`."
    ),
    403: "weather refused the call (HTTP 403), and its auth here is `none`: the gateway has no credential for it.",
    404: "gave an answer that is no MCP (HTTP 404). An administrator should check its URL.",
    429: "is limiting requests (HTTP 429). It says: retry after 30 s.",
    500: "failed (HTTP 500). Try again later.",
    502: "failed (HTTP 502). Try again later.",
    503: "failed (HTTP 503). Try again later.",
}


async def test_no_http_error_of_an_upstream_ever_reaches_the_client_as_one(tmp_path):
    status = 0

    async def failing(asked: Asked) -> None:
        fields = {"retry-after": "30", "www-authenticate": "Bearer", "content-type": "text/html"}
        await asked.respond.raw(b"<h1>secret detail</h1>", status, fields)

    async with upstream(failing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for status, words in STATUSES.items():
            response = await gw.post("/weather/mcp", call())
            assert response.status_code == 200, status
            assert response.json()["result"]["isError"] is True
            assert words in response.json()["result"]["content"][0]["text"]
            assert "secret detail" not in response.text
            assert "www-authenticate" not in response.headers
        assert len(server.seen) == len(STATUSES)


GARBAGE = {
    "html": (b"<html>", "text/html", "answered with text/html instead of JSON"),
    "broken": (b'{"jsonrpc": "2.0", "id"', "application/json", "answered with something that is not JSON"),
    "list": (b"[1]", "application/json", "answered with JSON that is no MCP message"),
    "neither": (b'{"jsonrpc":"2.0","id":1}', "application/json", "answered with JSON that is no MCP message"),
    "deep": (b"[" * 200_000, "application/json", "answered with something that is not JSON"),
    "not UTF-8": (b'"\xff"', "application/json", "answered with something that is not JSON"),
    "another id": (b'{"jsonrpc":"2.0","id":2,"result":{}}', "application/json", "answered another request than"),
    "a request": (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', "application/json", "answered another request than"),
    "nothing": (b"", "application/json", "answered with something that is not JSON"),
}


async def test_an_answer_that_is_no_mcp_is_told_as_that_and_never_passed_on(tmp_path):
    body, kind = b"", ""

    async def garbage(asked: Asked) -> None:
        await asked.respond.raw(body, 200, {"content-type": kind})

    async with upstream(garbage) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for name, (body, kind, words) in GARBAGE.items():  # noqa: B007 - the upstream reads body and kind
            response = await gw.post("/weather/mcp", call())
            assert response.json()["result"]["isError"] is True, name
            assert words in response.json()["result"]["content"][0]["text"], name
            assert gw.records.lines[-1]["reason"] == "upstream_garbage", name


async def test_a_stream_that_breaks_off_ends_with_an_error_event_and_the_call_is_not_sent_again(tmp_path):
    async def breaking(asked: Asked) -> None:
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}})
        await asked.respond.end()

    async with upstream(breaking) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        messages = events(await gw.post("/weather/mcp", call()))
        assert messages[0]["method"] == "notifications/progress"
        assert messages[1]["result"]["isError"] is True
        assert "weather ended the stream before it answered. What it did with the call is unknown" in str(messages[1])
        assert len(server.seen) == 1


async def test_a_stream_as_a_whole_is_bounded_too(tmp_path):
    async def endless(asked: Asked) -> None:
        await asked.respond.stream()
        note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x" * 1_000_000}}
        for _ in range(30):
            await asked.respond.event(note)

    async with upstream(endless) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.post("/weather/mcp", call())
        assert "The server's answer is larger than 20 MiB." in str(events(response)[-1]["result"])
        assert len(response.content) < 21 * 1024 * 1024


async def test_a_resumed_stream_keeps_to_the_time_of_the_call_and_its_outcome_stays_unknown(tmp_path):
    retry, status = 60_000, 200

    async def polling(asked: Asked) -> None:
        if asked.method == "GET" and status != 200:
            return await asked.respond.raw(b"{}", status)
        await asked.respond.stream()
        await asked.respond.event(id="e1", retry=retry)
        return await asked.respond.end()

    servers = {"weather": {"url": "", "timeout_s": 1.0}}
    async with upstream(polling) as server:
        servers["weather"]["url"] = server.url
        async with gateway(tmp_path, servers) as gw:
            for retry, status, words in [  # noqa: B007 - the upstream reads both
                (60_000, 200, "did not answer in the time there was." + UNKNOWN),
                (0, 200, UNKNOWN),
                (0, 404, "ended the stream before it answered." + UNKNOWN),
            ]:
                server.seen.clear()
                (message,) = events(await gw.post("/weather/mcp", call()))
                assert words in message["result"]["content"][0]["text"]
                assert len(server.calls("tools/call")) == 1
                # A server that says "at once" is not asked in a tight loop.
                assert len(server.seen) <= 22


async def test_what_a_stream_carries_for_others_is_left_out(tmp_path):
    async def chatty(asked: Asked) -> None:
        await asked.respond.stream()
        await asked.respond.event({"jsonrpc": "2.0", "id": 99, "result": {"for": "somebody else"}})
        await asked.respond.event({"jsonrpc": "2.0", "id": "q", "method": "sampling/createMessage", "params": {}})
        await asked.respond.event(text(asked, "Mine."))
        await asked.respond.end()

    async with upstream(chatty) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        modern = events(await gw.modern("/weather/mcp", "tools/call", {"name": "forecast"}))
        assert [message.get("id") for message in modern] == [7]
        legacy = events(await gw.post("/weather/mcp", call()))
        assert [message.get("id") for message in legacy] == ["q", 1]


async def test_an_upstream_that_closes_after_every_answer_costs_no_failed_call(tmp_path):
    async def closing(asked: Asked) -> None:
        await asked.respond.json(text(asked, "Sunny."), headers={"connection": "close"})

    async with upstream(closing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for _ in range(30):
            response = await gw.post("/weather/mcp", call())
            assert response.json()["result"]["content"][0]["text"] == "Sunny."
        assert len(server.seen) == 30


async def test_a_modern_error_keeps_the_status_that_its_revision_gives_it(tmp_path):
    async def refusing(asked: Asked) -> None:
        error = {"code": -32021, "message": "sampling needed", "data": {"requiredCapabilities": {"sampling": {}}}}
        await asked.respond.json({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}, 400)

    async with upstream(refusing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await gw.modern("/weather/mcp", "tools/call", {"name": "forecast"})
        assert response.status_code == 400
        assert response.json()["error"]["data"] == {"requiredCapabilities": {"sampling": {}}}
        assert gw.records.lines[-1]["reason"] == "code_-32021"


async def test_a_client_that_leaves_cuts_the_upstream_off(tmp_path):
    async def waiting(asked: Asked) -> None:
        await asyncio.Event().wait()

    async with upstream(waiting) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        with pytest.raises(httpx2.ReadTimeout):
            await gw.http.post(gw.url + "/weather/mcp", content=json.dumps(call()), headers=gw.headers(), timeout=0.3)
        await asyncio.wait_for(server.gone.wait(), 5)


async def test_a_tool_that_failed_is_on_record_as_such(tmp_path):
    async def failing(asked: Asked) -> None:
        await asked.respond.json(result(asked, {"content": [], "isError": True}))

    async with upstream(failing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await gw.post("/weather/mcp", call())
        assert (gw.records.lines[-1]["outcome"], gw.records.lines[-1]["reason"]) == ("tool_error", "tool_error")


async def test_a_call_on_lambda_is_answered_before_the_platform_cuts_the_line(tmp_path):
    async def waiting(asked: Asked) -> None:
        await asyncio.Event().wait()

    async with upstream(waiting) as server, gateway(tmp_path, {"weather": server.url}) as gw:

        async def on_lambda(scope: Any, receive: Any, send: Any) -> None:
            """The platform says when it will cut: in 2.5 s, of which two are kept back."""
            told = {"request_id": "r-1", "deadline_ms": (time.time() + 2.5) * 1000}
            await gw.mcp({**scope, "extensions": {"gatehouse.lambda": told}}, receive, send)

        async with serving(on_lambda) as port:
            begun = time.monotonic()
            response = await gw.http.post(f"http://127.0.0.1:{port}/weather/mcp", json=call(), headers=gw.headers())
            assert time.monotonic() - begun < 2.5
        assert re.search(r"did not answer within 0\.[1-5] s", response.json()["result"]["content"][0]["text"])
        assert response.headers["x-request-id"] == gw.records.lines[-1]["request_id"] == "r-1"


async def test_a_fault_of_the_gateway_itself_is_the_answer_to_the_request_that_met_it(tmp_path, monkeypatch):
    async def broken(*_: Any) -> Any:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Forwarding, "forward", broken)
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        told = await gw.post("/weather/mcp", call(id="mine"))
        assert (told.status_code, told.json()["id"]) == (500, "mine")
        assert told.json()["error"]["data"]["reason"] == "internal_error"
        silent = await gw.post("/weather/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (silent.status_code, silent.json()["id"]) == (500, None)
        answer = await gw.post("/weather/mcp", {"jsonrpc": "2.0", "id": "theirs", "result": {}})
        assert (answer.status_code, answer.json()["id"]) == (500, None)
