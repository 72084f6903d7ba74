"""Connections are made here: resolve once, vet every address, connect to one that was vetted."""

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway_core.egress import addresses
from gateway_core.egress.connection import Connection, Owner
from gateway_core.egress.policy import IPAddress, Policy
from gateway_core.egress.targets import Target
from gateway_core.errors import UpstreamUnreachable

CONNECT_S: Final = 3.0
"""Seconds for each of: resolving the name, one TCP connect, the TLS handshake."""
MAX_ATTEMPTS: Final = 4
"""Addresses of one name that are tried, in the resolver's order (RFC 6724)."""

UNREACHABLE: Final = "The server could not be reached."
"""The one public text for every cause. Told apart, they would make a port scanner of "test connection"."""


class NotReached(UpstreamUnreachable):
    """Nothing was sent: there is no such name, an address of it is not allowed, or nothing answers there.

    Attributes:
        message: The same for every cause.
        known: The cause in a few words, for whoever looks at a server step by step; empty where an address is internal,
            of which nobody is told anything.
        cause: The same where it may be told: whoever knows for whom that is sets it.
    """

    def __init__(self, known: str = "") -> None:
        super().__init__(UNREACHABLE)
        self.known, self.cause = known, ""


Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses in text, best first. Raises OSError when the name is unknown."""

logger = logging.getLogger(__name__)


async def resolve(host: str, port: int) -> list[str]:
    """The system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(info[4][0]) for info in found]


def tls_context() -> ssl.SSLContext:
    """TLS 1.2 or newer with the system's certificate authorities. Costs milliseconds: make one, once."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialer:
    """Opens connections under one policy, for one owner."""

    def __init__(self, policy: Policy, owner: Owner, *, resolver: Resolver, ssl_context: ssl.SSLContext | None) -> None:
        self._policy = policy
        self._owner = owner
        self._resolver = resolver
        self._ssl_context = ssl_context

    async def connect(self, target: Target, deadline: float) -> Connection:
        """An open connection to `target`, before `deadline` (loop time).

        SNI, certificate check and Host stay with the name; only the address is pinned.

        Raises:
            NotReached: There is no such name, an address of it is not allowed, or nothing answers there.
        """
        try:
            found = await self._vetted(target, deadline)
        except TimeoutError as error:
            raise _unreachable(target, error, "its name could not be looked up in time") from error
        except (OSError, ValueError, UnicodeError) as error:
            raise _unreachable(target, error, "its name is not known") from error
        last: Exception | None = None
        for address in found[:MAX_ATTEMPTS]:
            try:
                return await self._open(target, address, deadline)
            except OSError as error:
                last = error
        internal = any(addresses.internal(address) for address in found)
        raise _unreachable(target, last, "" if internal else _cause(last)) from last

    async def _vetted(self, target: Target, deadline: float) -> list[IPAddress]:
        """Every address of the target. One that is not allowed spoils them all: the name is not to be trusted."""
        if target.address is not None:
            found: list[IPAddress] = [target.address]
        else:
            async with asyncio.timeout_at(_limit(deadline)):
                texts = await self._resolver(target.host, target.port)
            found = [ipaddress.ip_address(text) for text in dict.fromkeys(texts)]
        for address in found:
            if not self._allowed(target, address):
                logger.warning("egress_refused", extra={"fields": {"host": target.host, "address": str(address)}})
                raise NotReached
        return found

    def _allowed(self, target: Target, address: IPAddress) -> bool:
        if self._policy.origins:
            return True
        if target.scheme == "http" and not addresses.is_loopback(address):
            return False
        return addresses.allowed(address, self._policy) and (str(address), target.port) not in self._policy.forbidden

    async def _open(self, target: Target, address: IPAddress, deadline: float) -> Connection:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            async with asyncio.timeout_at(_limit(deadline)):
                await loop.sock_connect(sock, (str(address), target.port))
        except BaseException:
            sock.close()
            raise
        connection = Connection(target.origin, self._owner)
        context = self._context() if target.scheme == "https" else None
        name = target.host if context else None
        async with asyncio.timeout_at(_limit(deadline)):
            await loop.create_connection(lambda: connection, sock=sock, ssl=context, server_hostname=name)
        if not connection.open:
            raise ConnectionResetError("closed at once")
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = tls_context()
        return self._ssl_context


def _limit(deadline: float) -> float:
    return min(deadline, asyncio.get_running_loop().time() + CONNECT_S)


def _cause(error: Exception | None) -> str:
    """Why no connection came about, in a few words."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its TLS certificate is not trusted: {error.verify_message.rstrip('.')}"
        case ssl.SSLError():
            return "TLS failed"
        case TimeoutError():
            return "it did not answer in time"
        case ConnectionRefusedError():
            return "the connection is refused"
        case ConnectionError():
            return "it closed the connection at once"
        case _:
            return ""


def _unreachable(target: Target, error: Exception | None, cause: str) -> NotReached:
    facts = {"host": target.host, "port": target.port, "error": type(error).__name__, "detail": str(error)}
    logger.info("egress_unreachable", extra={"fields": facts})
    return NotReached(cause)
