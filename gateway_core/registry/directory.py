"""The reading side of the registry: what stands behind a name in a URL, cached under the organisation's revision.

A change to the registry gives the organisation a new revision; every call reads the revision; so a change is seen by
the next call of every process, and nothing is read again while the revision stands.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar

from gateway_core.ports import Table
from gateway_core.registry import jwt_validation, members, servers, workspaces
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.registry.members import Member
from gateway_core.registry.servers import Server
from gateway_core.registry.slugs import SLUG
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys

_T = TypeVar("_T")

MAX_CACHED: Final = 5_000
"""Names held in memory, unknown ones included (about 1 KB each)."""


class Directory:
    """One per process; safe to share between calls."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._revision = ""
        self._servers: dict[str, Server | None] = {}
        self._workspaces: dict[str, Workspace | None] = {}
        self._members: dict[str, Member | None] = {}
        self._validations: dict[str, JwtValidation | None] = {}

    async def server(self, slug_or_id: str, revision: str) -> Server | None:
        """The server of that slug or id as of `revision`, or None."""
        self._at(revision)
        return await self._held(self._servers, slug_or_id, "server", servers.from_data)

    async def workspace(self, slug_or_id: str, revision: str) -> Workspace | None:
        """The workspace of that slug or id as of `revision`, or None."""
        self._at(revision)
        return await self._held(self._workspaces, slug_or_id, "workspace", workspaces.workspace_from_data)

    async def member(self, member_id: str, revision: str) -> Member | None:
        """The member of that id as of `revision`, or None."""
        self._at(revision)
        cache = self._members
        if member_id not in cache:
            item = await self._table.get(keys.member(member_id))
            _make_room(cache)
            cache[member_id] = None if item is None else members.from_data(item.data)
        return cache[member_id]

    async def jwt_validation(self, revision: str) -> JwtValidation | None:
        """Which tokens of other issuers the organisation believes as of `revision`, or None."""
        self._at(revision)
        cache = self._validations
        if "" not in cache:
            item = await self._table.get(keys.jwt_validation())
            cache[""] = None if item is None else jwt_validation.from_data(item.data)
        return cache[""]

    async def token_headers(self, server: Server, revision: str) -> frozenset[str]:
        """Headers in which tokens of other issuers are taken, in lower case: at `server`, and at servers that say
        nothing of their own. Not looked up where no header of a caller is passed on."""
        if server.forward_headers is None:
            return frozenset()
        validations = server.jwt_validation, await self.jwt_validation(revision)
        return frozenset(each.header for each in validations if each is not None)

    def _at(self, revision: str) -> None:
        if revision != self._revision:
            self._revision = revision
            # New dictionaries, not cleared ones: a call of the old revision that is still reading keeps its own.
            self._servers, self._workspaces, self._members, self._validations = {}, {}, {}, {}

    async def _held(
        self,
        cache: dict[str, _T | None],
        slug_or_id: str,
        kind: Literal["server", "workspace"],
        read: Callable[[Mapping[str, Any]], _T],
    ) -> _T | None:
        if slug_or_id not in cache:
            data = await self._find(slug_or_id, kind)
            _make_room(cache)
            cache[slug_or_id] = None if data is None else read(data)
        return cache[slug_or_id]

    async def _find(self, slug_or_id: str, kind: Literal["server", "workspace"]) -> Mapping[str, Any] | None:
        if not SLUG.fullmatch(slug_or_id):
            return None
        name = await self._table.get(keys.name(slug_or_id))
        if name is None or name.data["kind"] != kind:
            return None
        key = keys.server(name.data["id"]) if kind == "server" else keys.workspace(name.data["id"])
        item = await self._table.get(key)
        return None if item is None else item.data


def _make_room(cache: dict[str, Any]) -> None:
    if len(cache) >= MAX_CACHED:
        cache.clear()
