"""Every bound of what crosses the eras: reached, told in words, and nothing lost that was there before."""

import asyncio
from typing import Any

import pytest

from gateway_core.errors import UpstreamTooLarge
from gateway_core.local.server import local_world
from gateway_core.protocol import session
from gateway_core.proxy import holding
from gateway_core.proxy.mailbox import MAX_LETTER_BYTES, Mailbox
from gateway_core.settings import Settings
from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import INITIALIZE, NOW, gateway
from tests.flows.stage import Stage, wondering
from tests.flows.upstreams import Asked, Json, result, upstream
from tests.flows.visitors import ACCEPTED, Cell, LegacyVisitor, ModernVisitor, crossed, retry

PATH = "/weather/mcp"
CALL = {"name": "forecast", "arguments": {}}


async def test_a_caller_who_leaves_too_many_questions_open_is_told_to_answer_some_first(tmp_path, monkeypatch):
    monkeypatch.setattr(holding, "MAX_HELD_EACH", 2)
    async with crossed(tmp_path, Cell(ModernVisitor, Legacy), Legacy(wondering)) as crossing:
        asked = [(await crossing.client.ask("tools/call", CALL, id=n))["result"] for n in range(2)]
        refused = await crossing.client.ask("tools/call", CALL, id=3)
        assert "Answer or cancel some, then call again." in refused["result"]["content"][0]["text"]
        done = await crossing.client.ask("tools/call", retry(CALL, asked[0], ACCEPTED), id=4)
        assert "Heard" in str(done)
        # Whoever held the call lets go of it a moment after its result has been read.
        again = [(await crossing.client.ask("tools/call", CALL, id=n))["result"]["resultType"] for n in range(5, 9)]
        assert "input_required" in again


async def test_a_session_may_be_subscribed_to_a_hundred_resources_of_a_sensible_name(tmp_path):
    async with upstream(Modern(), "modern") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        token = (await gw.post(PATH, INITIALIZE)).headers["mcp-session-id"]

        async def subscribe(uri: str) -> Json:
            body = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": uri}}
            answer: Json = (await gw.post(PATH, body, mcp_session_id=token)).json()
            return answer

        for number in range(100):
            assert (await subscribe(f"file:///{number}"))["result"] == {}
        assert "unsubscribe from some first" in (await subscribe("file:///one-more"))["error"]["message"]
        assert (await subscribe("file:///7"))["result"] == {}
        assert "up to 2048 characters" in (await subscribe("file:///" + "x" * 3_000))["error"]["message"]


async def test_a_result_that_is_too_large_for_another_process_is_said_to_be_that(tmp_path):
    async def huge(stage: Stage) -> None:
        await stage.ask()
        await stage.answer("x" * 7_000_000)

    async with crossed(tmp_path, Cell(ModernVisitor, Legacy), Legacy(huge)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        told = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert "larger than 6 MiB" in told["result"]["content"][0]["text"]


async def test_a_letter_of_any_size_up_to_the_bound_arrives_whole(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        world = local_world(Settings(public_url="", gatehouse_data=tmp_path), gw.table)
        box = Mailbox(gw.table, world.keyring, lambda: NOW)
        deadline = asyncio.get_running_loop().time() + 5
        for number, size in enumerate((0, 1, 224_000, 226_000, MAX_LETTER_BYTES), 1):
            await box.post("box", number, "ü" * (size // 2), for_s=60)
            async for found, text in box.letters("box", after=number - 1, deadline=deadline):
                assert (found, len(text)) == (number, size // 2)
                break
        with pytest.raises(UpstreamTooLarge):
            await box.post("box", 9, "x" * (MAX_LETTER_BYTES + 1), for_s=60)


async def test_a_server_that_floods_a_held_call_costs_its_client_the_rest_of_the_progress_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(holding, "MAX_NOTES", 3)

    async def flooding(stage: Stage) -> None:
        await stage.ask()
        for number in range(50):
            await stage.progress(number)
        await stage.answer("Done.")

    async with crossed(tmp_path, Cell(ModernVisitor, Legacy), Legacy(flooding)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        done = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=2)
        assert done["result"]["content"][0]["text"] == "Done."


@pytest.mark.parametrize(("session_id", "words"), [("s" * 3_000, "session id that is too long to be kept")])
async def test_a_session_id_that_no_header_should_have_is_refused(tmp_path, session_id, words):
    async def opening(asked: Asked) -> None:
        value = {"protocolVersion": "2025-11-25", "capabilities": {}}
        await asked.respond.json(result(asked, value), headers={"mcp-session-id": session_id})

    async with upstream(opening, "legacy") as server, gateway(tmp_path, {"weather": server.url}) as gw:
        told = await gw.modern(PATH, "tools/call", CALL)
        assert words in told.json()["result"]["content"][0]["text"]


def test_what_a_client_says_of_itself_makes_no_session_id_too_long():
    loud: Any = {"name": "n" * 9_000, "title": "t" * 9_000, "version": "v" * 9_000, "icons": ["x" * 9_000]}
    able: Any = {
        "elicitation": {"form": {"x": "y" * 9_000}},
        "extensions": {"io.modelcontextprotocol/ui": {"z": "z" * 900}},
    }
    client, kept = session.client_of(loud), session.kept_of(able)
    assert kept == {"elicitation": {"form": {}}}
    packed = session.pack(session.Session("p", "s", None, "2025-11-25", client, kept, NOW))
    assert len(packed) < 1_000


async def test_an_http_sse_server_that_names_an_endless_address_is_none(tmp_path):
    class Endless(HttpSse):
        async def __call__(self, asked: Asked) -> None:
            if asked.method != "GET":
                return await super().__call__(asked)
            await asked.respond.stream()
            line = b"event: endpoint\ndata: /" + b"x" * 3_000 + b"\n\n"
            return await asked.respond.send({"type": "http.response.body", "body": line})

    async with crossed(tmp_path, Cell(LegacyVisitor, Endless), Endless()) as crossing:
        opened = await crossing.gw.post(PATH, INITIALIZE)
        assert "error" in opened.json()
