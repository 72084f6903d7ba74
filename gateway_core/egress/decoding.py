"""Compressed bodies, unpacked in small pieces. We ask for none; some servers compress all the same."""

import zlib
from collections.abc import Iterator
from typing import Final

from gateway_core.errors import UpstreamClosed, UpstreamGarbage

PIECE_BYTES: Final = 64 * 1024
"""The most that one step unpacks, so that a bomb is noticed after a piece and not after a gigabyte."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_CODINGS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class Inflater:
    """Feed it a compressed body as it arrives."""

    def __init__(self, coding: str) -> None:
        self._window = _CODINGS[coding]
        self._held = b""
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to, in pieces of at most `PIECE_BYTES`.

        Raises:
            UpstreamGarbage: It is not what the header said it was.
        """
        stream = self._stream or self._open(data)
        if stream is None:
            return
        data, self._held = self._held + data, b""
        while data and not stream.eof:
            try:
                piece = stream.decompress(data, PIECE_BYTES)
            except zlib.error:
                raise UpstreamGarbage("The server's answer is not compressed in the way it says.") from None
            data = stream.unconsumed_tail
            if piece:
                yield piece
        if data or stream.unused_data:
            raise UpstreamGarbage("The server's answer goes on after its compressed part.")

    def finish(self) -> None:
        """Say that the body has ended.

        Raises:
            UpstreamClosed: The compressed part has not.
        """
        if self._held or (self._stream is not None and not self._stream.eof):
            raise UpstreamClosed("The server's answer stopped early.")

    def _open(self, data: bytes) -> "zlib._Decompress | None":
        head = self._held + data[:2]
        if len(head) < 2:
            self._held += data
            return None
        # "deflate" means the zlib format (RFC 9110, section 8.4.1.2); half the servers send the bare stream.
        bare = self._window == zlib.MAX_WBITS and (head[0] & 0x0F != 8 or int.from_bytes(head[:2], "big") % 31)
        self._stream = zlib.decompressobj(_RAW if bare else self._window)
        return self._stream


def inflater_for(coding: str) -> Inflater | None:
    """What unpacks a Content-Encoding; None when there is nothing to unpack.

    Raises:
        UpstreamGarbage: A coding that was not asked for and cannot be read.
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in _CODINGS:
        raise UpstreamGarbage("The server's answer is encoded in a way that was not asked for.")
    return Inflater(coding)
