"""Finding out what a server speaks: asked once, kept, asked again when it proves wrong, and never by a guess."""

import asyncio

import pytest

from gateway_core.errors import Invalid
from gateway_core.upstream import http_sse, probing
from tests.evil import closed_port
from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.gateways import call, gateway
from tests.flows.upstreams import Asked, Json, unaided
from tests.flows.visitors import LegacyVisitor, ModernVisitor

PATH = "/weather/mcp"
DAY_S = 86_400
KINDS = {"modern": Modern, "legacy": Legacy, "http+sse": HttpSse}
every_server = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


class Changing:
    """A server that is one today and another tomorrow."""

    def __init__(self, now) -> None:
        self.now = now

    async def __call__(self, asked: Asked) -> None:
        await self.now(asked)


def questions(server) -> list[str]:
    """What the gateway asked to find out, in order."""
    return [
        asked.rpc or asked.method
        for asked in server.seen
        if asked.method == "GET" or (asked.message or {}).get("id") == "gatehouse-probe"
    ]


async def legacy_call(gw, **headers):
    """A call without a session, as some clients send it."""
    return await gw.post(PATH, call(), **headers)


async def said(response) -> str:
    told: str = response.json()["result"]["content"][0]["text"]
    return told


ASKED = {
    "modern": ["server/discover"],
    "legacy": ["server/discover", "initialize"],
    "http+sse": ["server/discover", "initialize", "GET"],
}


@pytest.mark.parametrize("speaks", KINDS)
async def test_a_server_is_asked_in_order_and_once_for_every_process(tmp_path, speaks):
    async with unaided(KINDS[speaks]()) as server:
        for turn in range(2):
            async with gateway(tmp_path, {"weather": server.url}) as gw:
                for client in (ModernVisitor(gw), ModernVisitor(gw)):
                    assert (await client.ask("tools/call"))["result"]["content"][0]["text"] == "Sunny."
            asked = [question for question in questions(server) if question != "GET"]
            assert asked == ASKED[speaks][:2], turn
        assert questions(server)[: len(ASKED[speaks])] == ASKED[speaks]


async def test_a_modern_server_is_asked_what_else_it_speaks_once_a_legacy_client_comes(tmp_path):
    async with unaided(Modern()) as server:
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))
            assert questions(server) == ["server/discover"]
        async with gateway(tmp_path, {"weather": server.url}) as gw:
            for _ in range(2):
                old = LegacyVisitor(gw)
                await old.start()
                for client in (old, ModernVisitor(gw)):
                    assert "Sunny." in str(await client.ask("tools/call"))
        assert questions(server) == ["server/discover", "server/discover", "initialize"]


@every_server
async def test_what_was_found_out_is_believed_for_a_day_and_not_longer(tmp_path, kind):
    async with unaided(kind()) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for later, asked in [(0, 1), (DAY_S - 1, 1), (1, 2), (1, 2)]:
            gw.clock[0] += later
            assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))
            assert len(server.calls("server/discover")) == asked


@every_server
async def test_a_server_whose_address_changes_is_asked_anew(tmp_path, kind):
    async with unaided(Modern()) as one, unaided(kind()) as two, gateway(tmp_path, {"weather": one.url}) as gw:
        assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))
        await gw.apply({"servers": [{"slug": "weather", "url": two.url, "workspaces": ["research"]}]})
        assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))
        asked = [question for question in questions(two) if question != "GET"]
        assert asked == ["server/discover", "initialize"][: 1 if kind is Modern else 2]
        assert len(one.calls("tools/call")) == len(two.calls("tools/call")) == 1


PINNED: dict[str, tuple[type, Json]] = {
    "era: modern": (Modern, {"era": "modern"}),
    "era: legacy, transport: http": (Legacy, {"era": "legacy", "transport": "http"}),
    "transport: sse": (HttpSse, {"transport": "sse"}),
    "era: legacy, transport: sse": (HttpSse, {"era": "legacy", "transport": "sse"}),
}


@pytest.mark.parametrize(("kind", "said"), PINNED.values(), ids=PINNED.keys())
async def test_what_an_administrator_says_is_not_asked(tmp_path, kind, said):
    async with unaided(kind()) as server, gateway(tmp_path, {"weather": {"url": server.url, **said}}) as gw:
        assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))
        assert [question for question in questions(server) if question != "GET"] == []


@pytest.mark.parametrize("kind", [Legacy, HttpSse], ids=["legacy", "http+sse"])
async def test_a_server_that_is_said_to_be_legacy_is_asked_for_its_transport_alone(tmp_path, kind):
    servers = {"weather": {"url": "", "era": "legacy"}}
    async with unaided(kind()) as server:
        servers["weather"]["url"] = server.url
        async with gateway(tmp_path, servers) as gw:
            assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))
            assert questions(server)[0] == "initialize"


async def test_two_statements_that_contradict_each_other_are_refused_by_name(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        with pytest.raises((Invalid, ValueError), match="transport: sse is of the legacy era; leave out era"):
            await gw.apply(
                {"servers": [{"slug": "weather", "url": "https://a.example/", "transport": "sse", "era": "modern"}]}
            )


FLIPS = {f"{before} → {after}": (before, after) for before in KINDS for after in KINDS if before != after}


@pytest.mark.parametrize(("before", "after"), FLIPS.values(), ids=FLIPS.keys())
@pytest.mark.parametrize("visitor", [ModernVisitor, LegacyVisitor], ids=["modern client", "legacy client"])
async def test_a_server_that_is_replaced_by_one_of_another_era_is_found_out_and_the_call_carried_out_once(
    tmp_path, before, after, visitor
):
    first, second = KINDS[before](), KINDS[after]()
    changing = Changing(first)
    async with unaided(changing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        client = visitor(gw)
        if isinstance(client, LegacyVisitor):
            await client.start()
        assert "Sunny." in str(await client.ask("tools/call"))
        changing.now = second
        if isinstance(first, HttpSse):
            for stream in first.streams.values():
                stream.put_nowait(None)
        assert "Sunny." in str(await client.ask("tools/call", id=2))
        assert "Sunny." in str(await client.ask("tools/call", id=3))
        assert (first.played, second.played) == (1, 2)
        assert questions(server).count("server/discover") == 2


async def test_a_server_that_is_down_is_asked_again_next_time_and_no_call_was_sent(tmp_path):
    async with gateway(tmp_path, {"weather": f"http://127.0.0.1:{closed_port()}/mcp"}) as gw:
        told = (await ModernVisitor(gw).ask("tools/call"))["result"]
        assert told["isError"] is True
        assert "could not be reached" in told["content"][0]["text"]
        assert gw.records.lines[-1]["reason"] == "upstream_unreachable"


REFUSALS = {
    401: "demands a log-in (HTTP 401), and its auth here is `none`",
    403: "refused the call (HTTP 403), and its auth here is `none`",
    429: "is limiting requests (HTTP 429).",
    500: "failed (HTTP 500). Try again later.",
    503: "failed (HTTP 503). Try again later.",
    302: "redirects to another address (HTTP 302)",
    404: "nothing that the gateway can use (HTTP 404), and opens no HTTP+SSE stream.",
    200: "with nothing that the gateway can use",
}


async def test_a_server_that_cannot_say_what_it_speaks_gets_no_call_and_nothing_is_remembered(tmp_path):
    status = 0

    async def refusing(asked: Asked) -> None:
        await asked.respond.raw(b"<h1>secret</h1>", status, {"content-type": "text/html"})

    changing = Changing(refusing)
    async with unaided(changing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for status, words in REFUSALS.items():
            for response in (await legacy_call(gw), await gw.modern(PATH, "tools/call", {"name": "forecast"})):
                assert response.status_code == 200
                assert response.json()["result"]["isError"] is True
                assert words in await said(response), status
                assert "secret" not in response.text
        assert server.calls("tools/call") == []
        changing.now = Legacy()
        assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))


@pytest.fixture
def _impatient(monkeypatch):
    """Ten seconds of silence would make slow tests."""
    monkeypatch.setattr(probing, "PROBE_S", 0.3)
    monkeypatch.setattr(http_sse, "OPEN_S", 0.3)


async def silence(asked: Asked) -> None:
    await asyncio.Event().wait()


@pytest.mark.usefixtures("_impatient")
async def test_a_server_that_is_silent_gets_no_call_and_nothing_is_remembered(tmp_path):
    changing = Changing(silence)
    async with unaided(changing) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        response = await legacy_call(gw)
        assert "could not be asked what it speaks" in await said(response)
        assert "Your call was not sent." in await said(response)
        assert server.calls("tools/call") == []
        changing.now = Modern()
        assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))


async def breaking_off(asked: Asked) -> None:
    await asked.respond.stream()
    await asked.respond.end()


MUTE = {"silent": silence, "ends its answer": breaking_off}


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("mute", MUTE.values(), ids=MUTE.keys())
@pytest.mark.parametrize("kind", [Legacy, HttpSse], ids=["legacy", "http+sse"])
async def test_a_legacy_server_that_has_no_word_for_a_modern_question_is_found_all_the_same(tmp_path, mute, kind):
    legacy = kind()

    async def speechless(asked: Asked) -> None:
        modern = asked.rpc == "server/discover" or (
            kind is HttpSse and asked.path == "/mcp?" and asked.method == "POST"
        )
        await (mute if modern else legacy)(asked)

    async with unaided(speechless) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        assert "Sunny." in str(await ModernVisitor(gw).ask("tools/call"))
        assert len(server.calls("tools/call")) == 1


ELSEWHERE = ("http://127.0.0.1:9/messages?session={}", "//127.0.0.1:9/messages", "https://evil.example/m")


@pytest.mark.parametrize("endpoint", ELSEWHERE)
@pytest.mark.parametrize("transport", ["auto", "sse"])
async def test_an_http_sse_server_that_wants_messages_at_another_origin_gets_neither_them_nor_credentials(
    tmp_path, endpoint, transport
):
    async with unaided(HttpSse(endpoint=endpoint)) as server:
        auth = {"type": "headers", "headers": {"X-Plan": "gold"}}
        setup = {"url": server.url, "name": "Weather", "transport": transport, "auth": auth}
        async with gateway(tmp_path, {"weather": setup}) as gw:
            told = await said(await legacy_call(gw))
            assert "wants its messages at another origin, which the gateway does not follow" in told
            assert {asked.path for asked in server.seen} == {"/mcp?"}
            assert server.calls("tools/call") == []


async def test_a_server_that_speaks_both_eras_is_spoken_to_in_each_clients_own(tmp_path):
    legacy, modern = Legacy(), Modern()

    async def both(asked: Asked) -> None:
        await (modern if asked.headers.get("mcp-protocol-version") == "2026-07-28" else legacy)(asked)

    async with unaided(both) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        old = LegacyVisitor(gw)
        await old.start()
        for client in (old, ModernVisitor(gw)):
            assert "Sunny." in str(await client.ask("tools/call"))
        assert (legacy.played, modern.played) == (1, 1)
        told = [(line["era_in"], line["era_out"]) for line in gw.records.lines if line["method"] == "tools/call"]
        assert told == [("legacy", "legacy"), ("modern", "modern")]


async def test_the_question_leaves_no_session_behind(tmp_path):
    legacy = Legacy()
    async with unaided(legacy) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        await LegacyVisitor(gw).start()
        assert len(server.calls("initialize")) == 2
        assert legacy.known == {"session-2"}
