"""An answer that goes on with something new, as a stream does that calls share, may be as large again from there on."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway_core.errors import UpstreamTooLarge
from tests.unit.egress.asking import opened, post

PIECE, LIMIT = b"0123456789" * 4, 50


@asynccontextmanager
async def dripping(head: bytes) -> AsyncIterator[tuple[str, "asyncio.Queue[bytes]"]]:
    """A server that answers with `head` and then with what is put into the queue, as it is put there."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while True:
            writer.write(await pieces.get())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", pieces
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


def plain() -> Callable[[bytes], bytes]:
    return bytes


def packed() -> Callable[[bytes], bytes]:
    packer = zlib.compressobj(wbits=31)
    return lambda piece: packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)


CODINGS = {"plain": (b"", plain), "gzip": (b"Content-Encoding: gzip\r\n", packed)}


@pytest.mark.parametrize(("head", "coding"), CODINGS.values(), ids=CODINGS.keys())
async def test_each_part_may_be_as_large_as_a_whole_and_no_larger(head, coding):
    coded = coding()
    async with (
        opened() as egress,
        dripping(head) as (url, pieces),
        asyncio.timeout(10),
        await post(egress, url, max_bytes=LIMIT) as response,
    ):
        chunks = response.chunks()
        for _ in range(3):
            response.refill()
            pieces.put_nowait(coded(PIECE))
            heard = b""
            while len(heard) < len(PIECE):
                heard += await anext(chunks)
            assert heard == PIECE
        pieces.put_nowait(coded(PIECE))
        with pytest.raises(UpstreamTooLarge):
            async for _ in chunks:
                pass
