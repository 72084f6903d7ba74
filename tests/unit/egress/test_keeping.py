"""Kept connections: fast when they can be, and never the cause of a failed or doubled call."""

import asyncio

import pytest

from gateway_core.egress import Egress, Response, check_url
from gateway_core.egress.dial import Dialer, resolve
from gateway_core.egress.pool import DISTRUST_S, IDLE_S, MAX_AGE_S, Pool
from gateway_core.egress.requests import encode, opening
from gateway_core.errors import UpstreamClosed
from tests.evil import evil_upstream
from tests.evil_modes import ANSWER
from tests.unit.egress.asking import LOCAL, Clock, ask, opened, post, soon


async def test_calls_in_a_row_share_one_connection(egress: Egress):
    async with evil_upstream() as evil:
        for number in range(50):
            assert await ask(egress, evil.url("echo"), b"%d" % number) == b"%d" % number
        assert evil.connections == 1


async def test_a_read_to_the_end_gives_the_connection_back_before_the_response_is_closed(egress: Egress):
    async with evil_upstream() as evil:
        first = await post(egress, evil.url("echo"), b"1")
        assert await first.read() == b"1"
        assert await ask(egress, evil.url("echo"), b"2") == b"2"
        await first.close()
        assert await ask(egress, evil.url("echo"), b"3") == b"3"
        assert evil.connections == 1


async def test_calls_at_once_use_a_connection_each_and_keep_them(egress: Egress):
    async with evil_upstream() as evil:
        await ask(egress, evil.url("echo"), b"0")
        for _ in range(3):
            bodies = [b"%d" % number for number in range(40)]
            answers = await asyncio.gather(*[ask(egress, evil.url("echo"), body) for body in bodies])
            assert answers == bodies
        assert evil.connections <= 41


@pytest.mark.parametrize("mode", ["close-after", "close-said", "good", "http10", "until-close", "interim"])
async def test_two_hundred_calls_in_a_row_all_succeed_and_arrive_once(egress: Egress, mode: str):
    async with evil_upstream() as evil:
        for number in range(200):
            await ask(egress, evil.url(f"{mode}/{number}"))
        assert [request.path for request in evil.seen] == [f"/{mode}/{number}" for number in range(200)]


@pytest.mark.parametrize("mode", ["close-after", "close-said", "good"])
async def test_two_hundred_calls_at_once_all_succeed_and_arrive_once(egress: Egress, mode: str):
    async with evil_upstream() as evil:
        for _ in range(2):
            evil.seen.clear()
            await asyncio.gather(*[ask(egress, evil.url(f"{mode}/{number}")) for number in range(200)])
            assert sorted(request.path for request in evil.seen) == sorted(f"/{mode}/{n}" for n in range(200))


async def test_a_server_that_closes_a_moment_after_its_answer_costs_no_call(egress: Egress):
    async with evil_upstream() as evil:
        for number in range(5):
            await ask(egress, evil.url(f"close-soon/{number}"))
        assert [request.connection for request in evil.seen] == [1, 2, 3, 4, 5]


async def test_a_connection_that_died_while_the_process_was_frozen_is_noticed_before_a_byte_is_written(egress: Egress):
    async with evil_upstream() as evil:
        for _ in range(3):
            await ask(egress, evil.url("good"))
        # Between this and the next write the event loop gets no turn in which it could read the server's FIN.
        evil.drop_idle()
        await ask(egress, evil.url("good"))
        assert [request.connection for request in evil.seen] == [1, 1, 1, 2]


async def test_an_idle_connection_is_not_trusted_for_long():
    clock = Clock()
    async with evil_upstream() as evil, opened(clock=clock) as egress:
        for passed, connection in ((0, 1), (IDLE_S - 0.1, 1), (IDLE_S + 0.1, 2), (-3600, 3)):
            clock.now += passed
            await ask(egress, evil.url("good"))
            assert evil.seen[-1].connection == connection


@pytest.mark.parametrize(
    ("said", "passed", "connections"), [(20, 18.9, 1), (20, 19.1, 2), (3, 2.1, 2), (0, 0.1, 2), (900, 61, 2)]
)
async def test_a_server_that_says_how_long_it_keeps_a_connection_is_believed_up_to_a_minute(
    said: int, passed: float, connections: int
):
    clock = Clock()
    async with evil_upstream() as evil, opened(clock=clock) as egress:
        await ask(egress, evil.url(f"keep-alive/{said}"))
        clock.now += passed
        await ask(egress, evil.url("good"))
        assert evil.connections == connections


async def test_a_close_that_is_noticed_between_two_calls_counts_as_early_too(egress: Egress):
    async with evil_upstream() as evil:
        await ask(egress, evil.url("close-after"))
        await evil.deserted()
        for _ in range(10):
            await asyncio.sleep(0)
        for _ in range(3):
            await ask(egress, evil.url("good"))
        assert evil.connections == 4


async def test_an_upstream_that_closed_early_gets_another_chance_later():
    clock = Clock()
    async with evil_upstream() as evil, opened(clock=clock) as egress:
        await ask(egress, evil.url("close-after"))
        for _ in range(3):
            await ask(egress, evil.url("good"))
        assert evil.connections == 4
        clock.now += DISTRUST_S
        for _ in range(3):
            await ask(egress, evil.url("good"))
        assert evil.connections == 5


async def test_a_busy_connection_is_given_up_at_its_age_so_that_its_name_is_vetted_anew():
    clock = Clock()
    async with evil_upstream() as evil, opened(clock=clock) as egress:
        for _ in range(int(MAX_AGE_S / 3) + 2):
            await ask(egress, evil.url("good"))
            clock.now += 3
        assert evil.connections == 2


async def test_idle_connections_are_closed_even_when_nobody_calls_again():
    clock = Clock()
    async with evil_upstream() as evil:
        pool = Pool(clock)
        target = check_url(evil.url("good"), LOCAL)
        connection = await Dialer(LOCAL, pool, resolver=resolve, ssl_context=None).connect(target, soon())
        answer = connection.send(encode(opening("GET", target), [], b""), deadline=soon(), max_bytes=1000)
        assert await Response(answer, max_bytes=1000).read() == ANSWER
        pool.drop_stale()
        assert connection.open
        clock.now += IDLE_S + 1
        pool.drop_stale()
        await evil.deserted()
        await pool.close()


async def test_a_forged_answer_right_behind_the_true_one_never_reaches_the_next_caller(egress: Egress):
    async with evil_upstream() as evil:
        for number in range(20):
            assert await ask(egress, evil.url("junk-behind"), b"%d" % number) == b"%d" % number
        assert evil.connections == 20


async def test_a_forged_answer_on_an_idle_connection_never_reaches_the_next_caller(egress: Egress):
    async with evil_upstream() as evil:
        assert await ask(egress, evil.url("junk-later"), b"1") == b"1"
        async with asyncio.timeout(IDLE_S / 2):
            await evil.deserted()
        assert await ask(egress, evil.url("echo"), b"2") == b"2"
        assert evil.seen[-1].connection == 2


async def test_closing_the_egress_cuts_busy_connections(egress: Egress):
    async with evil_upstream() as evil:
        response = await post(egress, evil.url("drip"))
        await egress.close()
        with pytest.raises(UpstreamClosed):
            await response.read()


async def test_a_head_request_gets_headers_and_no_body(egress: Egress):
    async with evil_upstream() as evil:
        for _ in range(2):
            async with await egress.send(
                "HEAD", evil.url("good"), [], deadline=asyncio.get_running_loop().time() + 5
            ) as it:
                assert it.headers["content-length"] == "36"
                assert await it.read() == b""
