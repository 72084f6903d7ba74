"""Legacy sessions of clients: sealed into their tokens, found again from them, and what became of them since."""

import asyncio
import base64
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway_core.access.callers import Caller
from gateway_core.errors import Conflict, UpstreamGarbage
from gateway_core.headers import Headers
from gateway_core.parts import part
from gateway_core.ports import ABSENT, Clock, Item, Key, Keyring, Table, Unchanged
from gateway_core.protocol import session
from gateway_core.protocol.reply import RawHeaders
from gateway_core.protocol.session import Session
from gateway_core.proxy.mailbox import MAX_TRIES
from gateway_core.registry.servers import Server
from gateway_core.storage import keys

SESSION_HEADER: Final = "mcp-session-id"
HEARD_S: Final = 2.0
"""How long the answer to a subscription waits for the stream of the same process to hear of it."""
MAX_OPENED: Final = 1_000
"""Sessions that one process remembers the content of, 5 KB each at most."""
MAX_URI: Final = 2_048
MAX_URIS: Final = 100
"""Resources that one session may be subscribed to."""


@dataclass(slots=True, eq=False, repr=False)
class Watch:
    """A stream of this process that delivers what a session has subscribed to."""

    digest: str
    wake: Callable[[], None]
    """Makes it look at the session at once."""
    uris: frozenset[str] = frozenset()
    _looked: asyncio.Event = field(default_factory=asyncio.Event)

    def hears(self, uris: frozenset[str], wake: Callable[[], None]) -> None:
        """From now on these are delivered, by who is woken like that."""
        self.uris, self.wake = uris, wake
        self._looked.set()

    async def until_heard(self, uri: str) -> None:
        """Return when `uri` is delivered, or after a moment: a subscription is kept all the same."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARD_S):
                while uri not in self.uris:
                    self._looked.clear()
                    self.wake()
                    await self._looked.wait()


@part
class ClientSessions:
    """Stateless: any process can go on with a session."""

    table: Table
    keyring: Keyring
    clock: Clock
    _watched: dict[str, Watch] = field(default_factory=dict)
    _opened: dict[tuple[str, str, str], Session] = field(default_factory=dict)
    """By token, principal and server: a token means nothing to anybody else."""

    def watch(self, watched: Session, wake: Callable[[], None]) -> Watch:
        """Say that a stream of this process delivers to `watched`."""
        made = self._watched[watched.digest] = Watch(watched.digest, wake, watched.uris)
        return made

    def unwatch(self, watch: Watch) -> None:
        """Say that it no longer does."""
        if self._watched.get(watch.digest) is watch:
            del self._watched[watch.digest]

    def keys_of(self, headers: Headers) -> Iterable[Key]:
        """What to read along with the credential, so that a session costs no round trip of its own."""
        token = headers.get(SESSION_HEADER)
        if token is not None and session.plausible(token):
            yield keys.client_session(session.digest_of(token))

    async def find(
        self, headers: Headers, caller: Caller, server: Server, state: Item | None
    ) -> tuple[Session | None, bool]:
        """The session that a request belongs to, and whether it named one that is none, or none of this caller's.

        A token that cannot be opened is no session, never a 401: clients take a 401 for a lost log-in.
        """
        token = headers.get(SESSION_HEADER)
        if token is None:
            return None, False
        found = self._opened.get((token, caller.principal, server.id)) or await self._open(token, caller, server)
        if found is None:
            return None, True
        if self.clock() >= found.opened_at + session.LIFE_S:
            return replace(found, ended=True), False
        return (found if state is None else await self._with_state(found, state)), False

    async def _open(self, token: str, caller: Caller, server: Server) -> Session | None:
        """What is sealed in a token; opened once in a process."""
        sealed = session.from_header(token)
        context = session.context(caller.principal, server.id)
        plain = None if sealed is None else await self.keyring.open(sealed, context=context)
        if plain is None:
            return None
        digest = session.digest_of(token)
        found = session.unpack(plain, principal=caller.principal, server_id=server.id, digest=digest)
        if len(self._opened) >= MAX_OPENED:
            self._opened.clear()
        self._opened[token, caller.principal, server.id] = found
        return found

    async def by_token(self, token: str, caller: Caller, server: Server) -> Session | None:
        """The session of a token that is kept elsewhere than in a header."""
        headers = Headers({SESSION_HEADER: token}, frozenset())
        states = await self.table.get_many(list(self.keys_of(headers)))
        found, _ = await self.find(headers, caller, server, states[0] if states else None)
        return found

    def nudge(self, changed: Session) -> None:
        """Make the stream that delivers to a session look at it now."""
        watch = self._watched.get(changed.digest)
        if watch is not None:
            watch.wake()

    async def issue(self, opened: Session, server: Server) -> RawHeaders:
        """The header that gives the client its session id.

        Raises:
            UpstreamGarbage: The upstream's own id is too long to be carried.
        """
        context = session.context(opened.principal, opened.server_id)
        token = session.to_header(await self.keyring.seal(session.pack(opened), context=context))
        if len(token) > session.MAX_TOKEN:
            raise UpstreamGarbage(f"{server.name} gave a session id that is too long to be carried in a header.")
        return ((SESSION_HEADER.encode(), token.encode()),)

    async def end(self, ended: Session) -> None:
        """From now on the id is unknown, whatever the upstream says (2025-11-25 transports, Session Management)."""
        key = keys.client_session(ended.digest)
        await self.table.put(key, {"ended": True}, expires_at=self.clock() + session.LIFE_S)

    async def set_log_level(self, changed: Session, level: str) -> None:
        """Remember what `logging/setLevel` asked for."""
        await self._change(changed, lambda data: {**data, "log_level": level})

    async def subscribe(self, changed: Session, uri: str) -> bool:
        """Remember that the client wants to hear of `uri`; False when it wants too many already."""
        if uri not in changed.uris and len(changed.uris) >= MAX_URIS:
            return False
        await self._change(changed, lambda data: {**data, "uris": sorted({*data.get("uris", []), uri})})
        watch = self._watched.get(changed.digest)
        if watch is not None:
            await watch.until_heard(uri)
        return True

    async def unsubscribe(self, changed: Session, uri: str) -> None:
        """Forget it again."""
        await self._change(changed, lambda data: {**data, "uris": sorted({*data.get("uris", [])} - {uri})})

    async def replace_upstream(self, changed: Session, upstream_id: str | None) -> Session:
        """Remember the session that took the place of one that the upstream forgot; the first process to do so wins."""
        key = keys.client_session(changed.digest)
        sealed = b"" if upstream_id is None else upstream_id.encode()
        hidden = base64.b64encode(await self.keyring.seal(sealed, context=f"upstream|{changed.digest}")).decode()
        for _ in range(MAX_TRIES):
            item = await self.table.get(key)
            current = changed if item is None else await self._with_state(changed, item)
            if current.upstream_id != changed.upstream_id:
                return current
            with suppress(Conflict):
                await self._put(key, {**({} if item is None else item.data), "upstream": hidden}, item)
                return replace(current, upstream_id=upstream_id)
        raise Conflict("The session was changed by others at the same time. Try again.")

    async def again(self, known: Session) -> Session:
        """The session as it is now."""
        state = await self.table.get(keys.client_session(known.digest))
        return known if state is None else await self._with_state(known, state)

    async def _with_state(self, found: Session, state: Item) -> Session:
        data, upstream_id = state.data, found.upstream_id
        if "upstream" in data:
            context = f"upstream|{found.digest}"
            plain = await self.keyring.open(base64.b64decode(data["upstream"]), context=context)
            upstream_id = plain.decode() or None if plain is not None else upstream_id
        return replace(
            found,
            upstream_id=upstream_id,
            log_level=data.get("log_level"),
            ended=bool(data.get("ended")),
            uris=frozenset(data.get("uris", ())),
        )

    async def _change(self, changed: Session, change: Any) -> None:
        key = keys.client_session(changed.digest)
        for _ in range(MAX_TRIES):
            item = await self.table.get(key)
            with suppress(Conflict):
                return await self._put(key, change({} if item is None else dict(item.data)), item)
        raise Conflict("The session was changed by others at the same time. Try again.")

    async def _put(self, key: Key, data: dict[str, Any], item: Item | None) -> None:
        when = ABSENT if item is None else Unchanged(item.version)
        await self.table.put(key, data, when=when, expires_at=self.clock() + session.LIFE_S)
