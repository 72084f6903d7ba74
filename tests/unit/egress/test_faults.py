"""What an upstream can do wrong, and the one error that each fault becomes."""

import asyncio
import tracemalloc

import pytest

from gateway_core.egress import Egress
from gateway_core.errors import (
    UpstreamClosed,
    UpstreamError,
    UpstreamGarbage,
    UpstreamTimedOut,
    UpstreamTooLarge,
    UpstreamUnreachable,
)
from tests.evil import closed_port, deaf_port, evil_upstream
from tests.unit.egress.asking import ask, post, soon

FAULTS: list[tuple[str, type[UpstreamError]]] = [
    ("rst", UpstreamClosed),
    ("rst-in-body", UpstreamClosed),
    ("no-answer", UpstreamClosed),
    ("half-close", UpstreamClosed),
    ("short-length", UpstreamClosed),
    ("giant-header", UpstreamTooLarge),
    ("endless-headers", UpstreamTooLarge),
    ("endless-trailer", UpstreamTooLarge),
    ("endless-interim", UpstreamTooLarge),
    ("oversize", UpstreamTooLarge),
    ("oversize-length", UpstreamTooLarge),
    ("gzip-bomb", UpstreamTooLarge),
    ("garbage", UpstreamGarbage),
    ("upgrade", UpstreamGarbage),
    ("silent", UpstreamTimedOut),
    ("slow-header", UpstreamTimedOut),
    ("drip", UpstreamTimedOut),
]


@pytest.mark.parametrize(("mode", "error"), FAULTS, ids=[mode for mode, _ in FAULTS])
async def test_each_fault_of_an_upstream_becomes_one_error_and_no_second_request(
    egress: Egress, mode: str, error: type[UpstreamError]
):
    within = 0.3 if error is UpstreamTimedOut else 10.0
    async with evil_upstream() as evil:
        with pytest.raises(error) as caught:
            await ask(egress, evil.url(mode), b"{}", within=within)
        assert len(evil.seen) == 1
        assert "127.0.0.1" not in caught.value.message
        assert str(evil.port) not in caught.value.message


@pytest.mark.parametrize(("mode", "error"), [fault for fault in FAULTS if fault[0] != "gzip-bomb"])
async def test_after_a_fault_the_next_request_is_served_on_another_connection(
    egress: Egress, mode: str, error: type[UpstreamError]
):
    within = 0.1 if error is UpstreamTimedOut else 10.0
    async with evil_upstream() as evil:
        with pytest.raises(error):
            await ask(egress, evil.url(mode), b"{}", within=within)
        assert await ask(egress, evil.url("echo"), b"[1]") == b"[1]"
        assert evil.seen[0].connection != evil.seen[1].connection


async def test_a_port_where_nobody_listens_is_unreachable(egress: Egress):
    with pytest.raises(UpstreamUnreachable, match=r"^The server could not be reached\.$"):
        await ask(egress, f"http://127.0.0.1:{closed_port()}/")


async def test_a_server_that_never_accepts_is_given_up_at_the_deadline(egress: Egress):
    async with deaf_port() as port:
        started = soon(0)
        with pytest.raises(UpstreamTimedOut):
            await ask(egress, f"http://127.0.0.1:{port}/", within=0.2)
        assert soon(0) - started < 1.0


async def test_a_dripping_stream_delivers_its_drops_and_ends_at_the_deadline(egress: Egress):
    async with evil_upstream() as evil:
        started = soon(0)
        response = await post(egress, evil.url("drip"), within=0.4)
        drops = response.chunks()
        assert [(await anext(drops))[:3] for _ in range(5)] == [b":\n\n"] * 5
        with pytest.raises(UpstreamTimedOut, match=r"did not finish its answer within 0\.4 s"):
            await response.read()
        assert 0.35 < soon(0) - started < 1.5


async def test_the_deadline_ends_a_stream_that_nobody_reads(egress: Egress):
    async with evil_upstream() as evil:
        response = await post(egress, evil.url("drip"), within=0.1)
        await evil.deserted()
        with pytest.raises(UpstreamTimedOut):
            await response.read()


async def test_a_call_without_time_left_is_never_sent(egress: Egress):
    async with evil_upstream() as evil:
        with pytest.raises(UpstreamUnreachable):
            await ask(egress, evil.url("good"), within=-1.0)
        assert evil.seen == []


async def test_the_error_of_an_answer_over_the_bound_names_the_bound(egress: Egress):
    async with evil_upstream() as evil:
        with pytest.raises(UpstreamTooLarge, match=r"larger than 2 MiB\.$"):
            await ask(egress, evil.url("oversize"), max_bytes=2 << 20)
        with pytest.raises(UpstreamTooLarge, match=r"larger than 1000 bytes\.$"):
            await ask(egress, evil.url("sized/1001"), max_bytes=1000)
        assert len(await ask(egress, evil.url("sized/1000"), max_bytes=1000)) == 1000


@pytest.mark.parametrize("mode", ["gzip-bomb", "oversize"])
async def test_a_bomb_costs_no_more_memory_than_the_bound(egress: Egress, mode: str):
    async with evil_upstream() as evil:
        await ask(egress, evil.url("good"))
        with pytest.raises(UpstreamTooLarge):
            await ask(egress, evil.url(mode), max_bytes=1 << 20)
        tracemalloc.start()
        with pytest.raises(UpstreamTooLarge):
            await ask(egress, evil.url(mode), max_bytes=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 6 << 20


async def test_a_reader_that_does_not_read_stops_the_sender(egress: Egress):
    async with evil_upstream() as evil:
        response = await post(egress, evil.url("oversize"), max_bytes=1 << 30)
        await egress_is_quiet()
        tracemalloc.start()
        await egress_is_quiet()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 << 20
        total = 0
        async for chunk in response.chunks():
            total += len(chunk)
            if total > 8 << 20:
                break
        await response.close()


async def egress_is_quiet() -> None:
    """Give the event loop turns enough to read whatever it is willing to read."""
    for _ in range(500):
        await asyncio.sleep(0)


async def test_a_caller_who_is_cancelled_while_waiting_cuts_the_connection(egress: Egress):
    async with evil_upstream() as evil:
        waiting = asyncio.create_task(ask(egress, evil.url("silent"), b"{}"))
        await asyncio.wait_for(evil.arrived.wait(), 5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await evil.deserted()


async def test_a_caller_who_is_cancelled_in_the_middle_of_a_stream_cuts_the_connection(egress: Egress):
    async with evil_upstream() as evil:
        response = await post(egress, evil.url("drip"))
        reading = asyncio.create_task(response.read())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await evil.deserted()


async def test_a_response_that_is_closed_early_cuts_the_connection_and_says_so_to_later_reads(egress: Egress):
    async with evil_upstream() as evil:
        response = await post(egress, evil.url("drip"))
        await response.close()
        await response.close()
        with pytest.raises(UpstreamClosed):
            await response.read()
        await evil.deserted()


async def test_a_redirect_is_handed_over_and_never_followed(egress: Egress):
    async with evil_upstream() as evil:
        async with await post(egress, evil.url("redirect")) as response:
            assert response.status == 307
            assert response.headers["location"] == "http://169.254.169.254/latest/meta-data/"
        assert len(evil.seen) == 1
