"""What arrives is what was sent, however the network cuts it and however the server wraps it."""

import asyncio
import contextlib
import gzip
import itertools
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.egress import Egress
from gateway_core.errors import UpstreamClosed, UpstreamError, UpstreamGarbage
from tests.evil import evil_upstream
from tests.evil_modes import ANSWER, whole
from tests.unit.egress.asking import ask, opened, post

EVENTS = b'data: {"jsonrpc":"2.0","id":1,"result":{"text":"\xc3\xa9"}}\n\n'


@asynccontextmanager
async def raw_upstream(*answers: Sequence[bytes]) -> AsyncIterator[str]:
    """The URL of a server that writes one answer per request, segment by segment, and closes after the last."""
    left = list(answers)
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while left and (await reader.readuntil(b"\r\n\r\n")):
            for segment in left.pop(0):
                writer.write(segment)
                await writer.drain()
                for _ in range(3):
                    await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def get(egress: Egress, url: str) -> bytes:
    deadline = asyncio.get_running_loop().time() + 10
    async with await egress.send("GET", url, [], deadline=deadline) as response:
        return await response.read()


def chunked(pieces: Sequence[bytes], *, trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x;note=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailer + b"\r\n"


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    marks = sorted({0, len(data), *[place % (len(data) + 1) for place in places]})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


BODIES = st.lists(st.binary(max_size=40), max_size=4)
CUTS = st.lists(st.integers(0, 2000), max_size=12)


@given(
    st.lists(
        st.tuples(st.sampled_from(["length", "chunked", "trailer", "interim", "gzip"]), BODIES, CUTS),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=60, deadline=None)
def test_however_answers_are_cut_each_request_gets_its_own_and_all_of_it(
    plan: list[tuple[str, list[bytes], list[int]]],
):
    async def run() -> None:
        answers = [cut(wrapped(form, pieces), places) for form, pieces, places in plan]
        async with raw_upstream(*answers) as url, opened() as egress:
            for _, pieces, _ in plan:
                assert await get(egress, url) == b"".join(pieces)

    asyncio.run(run())


def packed(data: bytes) -> bytes:
    """Without the time, which would give each worker of a parallel run other tests."""
    return gzip.compress(data, mtime=0)


def wrapped(form: str, pieces: list[bytes]) -> bytes:
    body = b"".join(pieces)
    match form:
        case "length":
            return whole(body)
        case "chunked":
            return chunked(pieces)
        case "trailer":
            return chunked(pieces, trailer=b"X-Sum: 1\r\nContent-Type: text/html\r\n")
        case "interim":
            return b"HTTP/1.1 102 Processing\r\n\r\n" + whole(body)
        case _:
            return whole(packed(body), b"Content-Encoding: gzip")


async def test_every_truncation_of_an_answer_is_an_error_and_never_a_short_success():
    for complete in (chunked([EVENTS, EVENTS]), whole(EVENTS), whole(packed(EVENTS), b"Content-Encoding: gzip")):
        for length in range(len(complete)):
            async with raw_upstream([complete[:length]]) as url, opened() as egress:
                with pytest.raises(UpstreamClosed):
                    await get(egress, url)


@given(st.binary(max_size=200), st.integers(0, 400), CUTS)
@settings(max_examples=150, deadline=None)
def test_any_bytes_at_all_are_an_answer_or_one_of_our_errors(junk: bytes, place: int, places: list[int]):
    async def run() -> None:
        good = chunked([EVENTS])
        at = place % (len(good) + 1)
        async with raw_upstream(cut(good[:at] + junk + good[at:], places)) as url, opened() as egress:
            with contextlib.suppress(UpstreamError):
                await get(egress, url)

    asyncio.run(run())


AMBIGUOUS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n : b\r\nX y: c\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n{}",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 2000 OK\r\n\r\n{}",
    b"HTTP/3.9 200 OK\r\n\r\n{}",
    b"ICY 200 OK\r\n\r\n{}",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\0" * 100,
]


@pytest.mark.parametrize("answer", AMBIGUOUS)
async def test_an_answer_whose_end_two_readers_could_see_in_two_places_is_garbage(egress: Egress, answer: bytes):
    async with raw_upstream([answer]) as url:
        with pytest.raises(UpstreamError) as caught:
            await get(egress, url)
        assert caught.value.reason in ("upstream_garbage", "upstream_too_large")


def deflated(data: bytes, window: int) -> bytes:
    packer = zlib.compressobj(wbits=window)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", packed(EVENTS * 50)),
        (b"x-gzip", packed(EVENTS * 50)),
        (b"GZIP", packed(EVENTS * 50)),
        (b"deflate", deflated(EVENTS * 50, zlib.MAX_WBITS)),
        (b"deflate", deflated(EVENTS * 50, -zlib.MAX_WBITS)),
        (b"identity", EVENTS * 50),
        (b"", EVENTS * 50),
    ],
)
async def test_a_body_that_was_compressed_unasked_is_unpacked(egress: Egress, coding: bytes, body: bytes):
    answer = whole(body, b"Content-Encoding: " + coding)
    async with raw_upstream(cut(answer, [*range(90, 130), 200])) as url:
        assert await get(egress, url) == EVENTS * 50


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"br", b"\x0b\x02\x80{}\x03"),
        (b"zstd", b"(\xb5/\xfd"),
        (b"gzip, gzip", packed(packed(EVENTS))),
        (b"gzip", b"{}"),
        (b"gzip", packed(EVENTS)[:-8] + b"\0" * 8),
        (b"gzip", packed(EVENTS) + b"behind"),
        (b"deflate", b"\xff\xff\xff"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_garbage(egress: Egress, coding: bytes, body: bytes):
    async with evil_upstream() as evil, raw_upstream([whole(body, b"Content-Encoding: " + coding)]) as url:
        with pytest.raises(UpstreamGarbage):
            await get(egress, url)
        assert await ask(egress, evil.url("good")) == ANSWER


async def test_a_compressed_body_that_ends_too_early_is_an_error_even_when_its_length_is_right(egress: Egress):
    for body in (packed(EVENTS)[:-1], packed(EVENTS)[:20], b"\x1f"):
        async with raw_upstream([whole(body, b"Content-Encoding: gzip")]) as url:
            with pytest.raises(UpstreamClosed):
                await get(egress, url)


async def test_an_event_is_handed_over_before_the_stream_ends(egress: Egress):
    async with evil_upstream() as evil, await post(egress, evil.url("drip")) as response:
        async for chunk in response.chunks():
            assert chunk == b":\n\n"
            break


@pytest.mark.parametrize("mode", ["http10", "until-close"])
async def test_a_body_that_ends_with_the_connection_is_complete(egress: Egress, mode: str):
    async with evil_upstream() as evil:
        assert await ask(egress, evil.url(mode)) == ANSWER


async def test_interim_answers_are_passed_over(egress: Egress):
    async with evil_upstream() as evil, await post(egress, evil.url("interim")) as response:
        assert response.status == 200
        assert "link" not in response.headers
        assert await response.read() == ANSWER


async def test_header_names_come_in_lower_case_and_repeated_ones_joined(egress: Egress):
    answer = whole(b"{}", b"X-Twice: a", b"WWW-Authenticate: Bearer", b"x-twice: b", b"X-Empty:")
    async with raw_upstream([answer]) as url, await post(egress, url) as response:
        assert response.headers["x-twice"] == "a, b"
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["x-empty"] == ""
        assert await response.read() == b"{}"
        assert await response.read() == b""


async def test_an_upgrade_that_is_only_offered_changes_nothing(egress: Egress):
    answer = whole(b"{}", b"Upgrade: h2,h2c", b"Connection: Upgrade, Keep-Alive")
    async with raw_upstream([answer], [answer]) as url:
        for _ in range(2):
            assert await get(egress, url) == b"{}"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_a_status_without_a_body_ends_with_its_head(egress: Egress, status: bytes):
    answer = b"HTTP/1.1 " + status + b"\r\n\r\n"
    async with raw_upstream([answer], [answer]) as url:
        for _ in range(2):
            assert await get(egress, url) == b""


async def test_large_bodies_arrive_whole_in_both_directions(egress: Egress):
    body = bytes(range(256)) * 20_000
    async with evil_upstream() as evil:
        for _ in range(2):
            assert await ask(egress, evil.url("echo"), body) == body
        assert evil.connections == 1


async def test_many_callers_of_one_upstream_each_get_their_own_answer(egress: Egress):
    async def call(number: int) -> None:
        body = b"%d" % number * (number % 500 + 1)
        mode = ("echo", "close-said", "junk-behind", "close-after")[number % 4]
        assert await ask(egress, evil.url(mode), body) == body

    async with evil_upstream() as evil:
        gate = asyncio.Semaphore(40)

        async def queued(number: int) -> None:
            async with gate:
                await call(number)

        await asyncio.gather(*[queued(number) for number in range(1200)])
        assert len(evil.seen) == 1200
