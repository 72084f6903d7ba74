"""Who is connected to the legacy server: its open sessions, what each watches, how much log each wants."""
# mypy: ignore-errors
# The module runs with the MCP SDK 1.x; the type checker sees 2.x.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from mcp.server.session import ServerSession
from mcp.shared.context import RequestContext

Context = RequestContext[ServerSession, "Sessions", Any]

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


class Sessions:
    """Everything that is remembered about a session; it goes when the session goes."""

    def __init__(self) -> None:
        self._watched: WeakKeyDictionary[ServerSession, set[str]] = WeakKeyDictionary()
        self._levels: WeakKeyDictionary[ServerSession, str] = WeakKeyDictionary()

    def join(self, session: ServerSession) -> None:
        """Know `session` from now on."""
        self._watched.setdefault(session, set())

    def watch(self, session: ServerSession, uri: str) -> None:
        """Tell `session` when `uri` changes."""
        self._watched[session].add(uri)

    def unwatch(self, session: ServerSession, uri: str) -> None:
        """Tell `session` no longer."""
        self._watched[session].discard(uri)

    def set_level(self, session: ServerSession, level: str) -> None:
        """Send `session` logs from `level` on."""
        self._levels[session] = level

    def wants(self, session: ServerSession, level: str) -> bool:
        """True when `session` shall see a log line of `level`; all of them until it says otherwise."""
        return LEVELS.index(level) >= LEVELS.index(self._levels.get(session, "debug"))

    async def tell(self, send: Callable[[ServerSession], Awaitable[None]], *, watching: str | None = None) -> None:
        """Send something on the standalone stream of every session, or of those that watch an address."""
        for session, watched in list(self._watched.items()):
            if watching is None or watching in watched:
                try:
                    await send(session)
                except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                    continue  # It has ended, and its last reference has not gone yet.
