"""Settings that come late are read beside requests: once for all who ask, and again every few minutes."""

import asyncio
from typing import Any

import pytest

from gateway_core import compose_stack
from gateway_core.compose_lean import World
from gateway_core.compose_stack import (
    FRESH_S,
    RETRY_S,
    Settling,
    needs_no_url,
    refuse,
    settled,
    settled_data_plane,
)
from gateway_core.egress import Policy
from gateway_core.errors import StoreUnavailable
from gateway_core.settings import Settings
from gateway_core.web.mcp import McpApp
from tests.lambda_.test_stack_settings import DEPLOYED, WRITTEN


class Reads:
    """Settings that can be read, or not."""

    def __init__(self) -> None:
        self.times = 0
        self.works = True
        self.url = WRITTEN["PUBLIC_URL"]
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> Settings:
        self.times += 1
        await self.answers.wait()
        if not self.works:
            raise StoreUnavailable("no answer")
        return Settings(public_url=self.url)


def said(settings: Settings) -> Any:
    """An application that says its URL."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(settings.public_url)

    return app


async def ask(app: Any, headers: Any = ()) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "path": "/", "headers": list(headers)}, None, send)
    return sent


async def settle() -> None:
    """Let what runs beside a request come to its end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_settings_are_read_once_however_many_ask_at_the_same_time():
    reads = Reads()
    app = Settling(reads, said, refuse, lambda: 0)
    assert await asyncio.gather(*(ask(app) for _ in range(5))) == [[WRITTEN["PUBLIC_URL"]]] * 5
    assert reads.times == 1


async def test_settings_that_could_not_be_read_are_asked_for_again_but_not_by_every_request(caplog):
    reads, now = Reads(), [100]
    app = Settling(reads, said, refuse, lambda: now[0])
    reads.works = False
    for _ in range(3):
        assert (await ask(app))[0]["status"] == 503
    assert reads.times == 1
    assert [record.message for record in caplog.records] == ["stack_settings_unread"]
    now[0] += RETRY_S
    reads.works = True
    assert await ask(app) == [WRITTEN["PUBLIC_URL"]]
    assert reads.times == 2


async def test_settings_are_read_again_every_few_minutes_and_nobody_waits_for_it():
    reads, now = Reads(), [100]
    app = Settling(reads, said, refuse, lambda: now[0])
    await ask(app)
    now[0] += FRESH_S - 1
    await ask(app)
    assert reads.times == 1
    now[0] += 1
    reads.url = "https://mcp.example.com"
    reads.answers.clear()
    assert await asyncio.gather(*(ask(app) for _ in range(3))) == [[WRITTEN["PUBLIC_URL"]]] * 3
    assert reads.times == 2
    reads.answers.set()
    await settle()
    assert await ask(app) == ["https://mcp.example.com"]


async def test_settings_that_can_no_longer_be_read_are_kept(caplog):
    reads, now = Reads(), [100]
    app = Settling(reads, said, refuse, lambda: now[0])
    await ask(app)
    reads.works = False
    for _ in range(3):
        now[0] += FRESH_S
        assert await ask(app) == [WRITTEN["PUBLIC_URL"]]
        await settle()
    assert reads.times == 4
    assert {record.message for record in caplog.records} == {"stack_settings_unread"}
    reads.works, reads.url = True, "https://mcp.example.com"
    now[0] += RETRY_S
    await ask(app)
    await settle()
    assert await ask(app) == ["https://mcp.example.com"]


async def test_an_application_lives_on_while_its_settings_stay_the_same():
    reads, now, made = Reads(), [100], []

    def make(settings: Settings) -> Any:
        made.append(settings)
        return said(settings)

    app = Settling(reads, make, refuse, lambda: now[0])
    for _ in range(3):
        await ask(app)
        await settle()
        now[0] += FRESH_S
    assert (reads.times, len(made)) == (3, 1)


KEY = (b"authorization", b"Bearer ghk_ws-abcdefgh_k-abcdefgh_" + b"a" * 43)


async def test_a_call_with_an_api_key_waits_for_no_settings_and_a_token_does():
    reads = Reads()
    reads.answers.clear()
    app = Settling(reads, said, said(Settings(public_url="keys only")), lambda: 0, needs_no_url)
    assert await ask(app, [KEY]) == ["keys only"]
    waiting = asyncio.create_task(ask(app, [(b"authorization", b"Bearer gha_token")]))
    await settle()
    assert not waiting.done()
    assert await ask(app, [KEY]) == ["keys only"]
    reads.answers.set()
    assert await waiting == [WRITTEN["PUBLIC_URL"]]
    assert await ask(app, [KEY]) == [WRITTEN["PUBLIC_URL"]]
    assert reads.times == 1


async def test_a_call_that_turns_out_to_need_our_url_waits_for_it_and_no_other_call_with_a_key_does(monkeypatch):
    """A server can be told who calls by a token that names the gateway: then a call with a key needs its URL."""
    reads, naming, now = Reads(), asyncio.Event(), [100]
    reads.answers.clear()

    def data_plane(settings: Settings, _world: Any, own_url: Any = None) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(await own_url() if naming.is_set() else "at once")

        return app if own_url else said(settings)

    monkeypatch.setattr(compose_stack, "data_plane", data_plane)
    nothing: Any = None
    world = World(nothing, nothing, nothing, nothing, nothing, nothing, Policy())
    monkeypatch.setattr(compose_stack, "aws_world", lambda settings: world)
    monkeypatch.setattr(compose_stack, "_reading", lambda settings: reads)
    monkeypatch.setattr(compose_stack, "unix_time", lambda: now[0])
    app = settled_data_plane(DEPLOYED)
    assert await ask(app, [KEY]) == ["at once"]
    naming.set()
    waiting = asyncio.create_task(ask(app, [KEY]))
    await settle()
    assert not waiting.done()
    reads.works = False
    reads.answers.set()
    with pytest.raises(StoreUnavailable, match="The gateway is starting"):
        await waiting
    reads.works = True
    now[0] += RETRY_S
    assert await ask(app, [KEY]) == [WRITTEN["PUBLIC_URL"]]


async def test_a_client_that_leaves_while_settings_are_read_takes_them_from_nobody():
    reads = Reads()
    reads.answers.clear()
    app = Settling(reads, said, refuse, lambda: 0)
    gone, stays = asyncio.create_task(ask(app)), asyncio.create_task(ask(app))
    await settle()
    gone.cancel()
    await settle()
    reads.answers.set()
    assert await stays == [WRITTEN["PUBLIC_URL"]]
    assert reads.times == 1


@pytest.mark.parametrize(
    ("headers", "alone"),
    [
        ([KEY], True),
        ([(b"x-api-key", KEY[1].removeprefix(b"Bearer "))], True),
        ([(b"x-portkey-api-key", KEY[1].removeprefix(b"Bearer "))], True),
        ([], False),
        ([(b"authorization", b"Bearer gha_token")], False),
        ([(b"authorization", b"Bearer eyJ.ghk_.x")], False),
        ([KEY, (b"x-api-key", b"gha_token")], False),
        ([KEY, (b"x-goog-iap-jwt-assertion", b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln")], False),
        ([(b"user-agent", b"ghk_")], False),
    ],
    ids=str,
)
def test_only_a_request_whose_one_credential_is_an_api_key_can_do_without_our_url(headers, alone):
    assert needs_no_url({"path": "/linear/mcp", "headers": headers}) is alone


def test_where_the_environment_says_everything_nothing_is_read():
    complete = Settings(public_url="https://a.example", registry_table="r", grants_table="g", aws_region="eu-west-1")
    assert isinstance(settled_data_plane(complete), McpApp)
    assert settled(complete, lambda settings: settings) is complete  # type: ignore[arg-type,return-value,comparison-overlap]
    assert isinstance(settled(DEPLOYED, said), Settling)
