"""An egress that can say what went over it last, as it may be shown: for one examination, which shows it to people.

A server may repeat what it was sent, whole, in part or spelt otherwise. What looks like a credential in any request,
its URL included, is remembered, and taken out of everything that is shown afterwards.
"""

import base64
import html
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit

from gateway_core.connect.asking import Answer
from gateway_core.connect.quoting import PIECE, SHOWN_CHARS, without
from gateway_core.connect.steps import Exchange, Step, exchange_of, unanswered
from gateway_core.egress import MAX_BYTES, Egress, NotReached, Policy, Response
from gateway_core.errors import UpstreamError

PLAIN_HEADERS: Final = frozenset(
    {"accept", "content-type", "user-agent", "traceparent", "mcp-protocol-version", "mcp-method", "mcp-name"}
)
"""Headers that hold no credential. Any other may: administrators choose names."""
PLAIN_FIELDS: Final = frozenset(
    {"grant_type", "scope", "audience", "resource", "client_id", "client_assertion_type", "subject_token_type",
     "requested_token_type", "token_type_hint"}
)  # fmt: skip
"""The same among the parameters of a token endpoint."""
SCHEMES: Final = frozenset({"basic", "bearer", "token", "apikey"})
"""First words of a header's value that are no part of a credential. Any other may be."""
_URL_SAFE: Final = str.maketrans("+/", "-_")


class Watched(Egress):
    """See the module. What is kept is the last exchange, and the credentials of all."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._last: Exchange | None = None
        self._credentials: set[str] = set()

    def take(self) -> Exchange | None:
        """The last exchange since this was asked before; None where there was none."""
        last, self._last = self._last, None
        return last

    def hidden(self, step: Step) -> Step:
        """`step` without any credential that was sent before."""
        exchange = step.exchange
        if exchange is not None:
            headers = tuple((name, self._hide(value)) for name, value in exchange.headers)
            request, body = self._hide(exchange.request), self._hide(exchange.body)
            exchange = replace(exchange, request=request, headers=headers, body=body)
        return replace(step, told=self._hide(step.told), exchange=exchange)

    def _hide(self, text: str) -> str:
        return without(text, self._credentials)

    async def send(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
        *,
        deadline: float,
        max_bytes: int = MAX_BYTES,
    ) -> Response:
        """See Egress.send. Of a refusal the beginning is read before anybody else does."""
        self._credentials.update(one for each in _credentials(url, headers, body) for one in _spellings(each))
        self._last = unanswered(method, url)
        try:
            response = await super().send(method, url, headers, body, deadline=deadline, max_bytes=max_bytes)
        except NotReached as problem:
            # It is for an administrator that this egress is there.
            problem.cause = problem.known
            raise
        begun = _Begun(response)
        shown = await begun.beginning() if response.status >= 400 else b""
        self._last = exchange_of(method, url, Answer(response.status, response.headers, shown))
        return begun


class _Begun(Response):
    """An answer of which the beginning may have been read already: whoever reads it gets that first."""

    __slots__ = ("_beginning", "_pieces", "_rest")

    def __init__(self, rest: Response) -> None:
        self.status, self.headers = rest.status, rest.headers
        self._rest, self._pieces = rest, rest.chunks()
        self._beginning = b""

    async def beginning(self) -> bytes:
        """As much as is shown, or as came before it broke off."""
        try:
            async for piece in self._pieces:
                self._beginning += piece
                if len(self._beginning) >= SHOWN_CHARS:
                    break
        except UpstreamError:
            # Its status says more than whatever is missing of it.
            pass
        return self._beginning

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Response.chunks."""
        beginning, self._beginning = self._beginning, b""
        if beginning:
            yield beginning
        async for piece in self._pieces:
            yield piece

    async def read(self) -> bytes:
        """See Response.read."""
        return b"".join([piece async for piece in self.chunks()])

    def extend(self, deadline: float) -> None:
        """See Response.extend."""
        self._rest.extend(deadline)

    def refill(self) -> None:
        """See Response.refill."""
        self._rest.refill()

    @property
    def open(self) -> bool:
        """See Response.open."""
        return self._rest.open

    async def close(self) -> None:
        """See Response.close."""
        await self._rest.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._rest.close()


def _credentials(url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Iterator[str]:
    """Whatever of a request may be one."""
    for part in urlsplit(url).query.split("&"):
        name, _, value = part.partition("=")
        found = unquote_plus(value or name)
        if len(found) >= PIECE:
            # Shorter ones are no keys, and stand in other words everywhere.
            yield found
    for name, value in headers:
        if name.lower() not in PLAIN_HEADERS and value:
            yield from _parts(value)
        if (name.lower(), value) == ("content-type", "application/x-www-form-urlencoded"):
            yield from (value for name, value in parse_qsl(body.decode()) if name not in PLAIN_FIELDS)


def _parts(value: str) -> Iterator[str]:
    """A header's value without its scheme, and what is written in it in another way."""
    scheme, _, rest = value.partition(" ")
    yield rest if rest and scheme.lower() in SCHEMES else value
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest).decode()
        except ValueError:
            return
        yield from (part for part in (pair.partition(":")[2], unquote_plus(pair.partition(":")[2])) if part)


def _spellings(credential: str) -> Iterator[str]:
    """As a server may repeat it: as it is, or as it is written in a URL, a page, JSON, hex or base64."""
    yield credential
    if len(credential) < PIECE:
        return
    raw = credential.encode()
    yield from (quote(credential, safe=""), html.escape(credential), json.dumps(credential)[1:-1], raw.hex())
    for before in range(3):
        # By how much of other text stands before it; the characters that hold bits of that are left away.
        text = base64.b64encode(bytes(before) + raw)[(0, 2, 3)[before] :].rstrip(b"=").decode()
        yield from (text, text.translate(_URL_SAFE))
