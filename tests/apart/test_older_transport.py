"""HTTP+SSE on either side of several processes: its streams belong to one of them, and its posts reach any."""

import pytest

from tests.apart.clients import answer_to, words
from tests.apart.conftest import Stage
from tests.processes import Kind

pytestmark = [pytest.mark.tools, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("kind", ["legacy", "modern", "sse"])
async def test_a_client_hears_on_its_stream_at_one_process_what_it_posted_to_another(stage: Stage, kind: Kind):
    here, there = stage.world.doors
    client = stage.sse_client(kind)
    async with client.connected(here, there) as messages:
        params = {"name": "test_input_required_result_multiple_inputs", "arguments": {}}
        await client.post(there, {"id": 1, "method": "tools/call", "params": params})
        asked = []
        async for message in messages:
            if "method" not in message:
                break
            asked.append(message["method"])
            await client.post(there, {"id": message["id"], "result": answer_to(message)})
        assert message["id"] == 1
        assert words(message) == "All three arrived."
        assert sorted(asked) == ["elicitation/create", "roots/list", "sampling/createMessage"]


async def test_a_server_that_cut_its_idle_streams_is_called_again_by_every_process(stage: Stage):
    client = await stage.legacy_client("sse")
    for _ in range(2):
        # More calls than there are processes, so that each has a stream that waits.
        for turn in range(8):
            assert words((await client.call(stage.world.doors[turn % 2], "test_simple_text"))[-1])
        assert await stage.taps["sse"].cut() >= len(set(stage.world.doors))
