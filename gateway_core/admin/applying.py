"""Carrying out planned changes, one transaction per object, each with a new revision of the organisation."""

import secrets
from dataclasses import dataclass

from gateway_core.admin.forgetting import forget_server, forget_workspace
from gateway_core.admin.planning import Change
from gateway_core.admin.state import State, every
from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, ANY, Condition, Delete, Put, Table, Unchanged, Write
from gateway_core.registry import client_policy, jwt_validation, servers
from gateway_core.registry.client_policy import ClientPolicy
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.registry.revisions import write_in_new_revision
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace, workspace_to_data
from gateway_core.signin.groups import replacing
from gateway_core.storage import keys


@dataclass(slots=True)
class _Head:
    """The organisation's head as this run knows it; every transaction moves it on."""

    name: str
    version: int

    def write(self) -> Put:
        when: Condition = Unchanged(self.version) if self.version else ABSENT
        return Put(keys.organisation_head(), {"name": self.name, "revision": secrets.token_hex(8)}, when)


async def carry_out(table: Table, changes: list[Change], state: State) -> None:
    """Make `changes`, which were planned against `state`, in order.

    Deletions come before anything that may take their slugs. Each object is written whole or not at all; after a
    failure the same command goes on where it stopped.

    Raises:
        Conflict: Somebody else changed the registry meanwhile.
    """
    head = _Head(state.organisation or "My organisation", state.head_version)
    for change in sorted(changes, key=lambda change: _ORDER[change.action, change.kind]):
        if change.kind == "organisation" and isinstance(change.after, str):
            head.name = change.after
        try:
            await table.transact([head.write(), *_writes(change)])
        except Conflict:
            raise Conflict(
                "Somebody else changed the registry at the same time. Run the same command again; it goes on from here."
            ) from None
        head.version += 1
        if change.action == "delete" and change.before is not None:
            await _tidy(table, change.before.record, state)


_ORDER = {
    ("create", "organisation"): 0,
    ("update", "organisation"): 0,
    ("delete", "server"): 1,
    ("delete", "workspace"): 3,
    ("create", "workspace"): 4,
    ("update", "workspace"): 4,
    ("create", "server"): 5,
    ("update", "server"): 2,
    ("update", "groups"): 6,
    ("create", "jwt_validation"): 6,
    ("update", "jwt_validation"): 6,
    ("delete", "jwt_validation"): 6,
    ("update", "clients"): 6,
}
"""Servers let go of a workspace before it goes, and take it on after it has come."""


async def touch(table: Table) -> None:
    """Give the organisation a new revision, so that every process reads again what it has cached."""
    if await table.get(keys.organisation_head()) is not None:
        await write_in_new_revision(table, [])


def _writes(change: Change) -> list[Write]:
    before = None if change.before is None else change.before.record
    when: Condition = ANY if change.before is None else Unchanged(change.before.version)
    if isinstance(change.after, Workspace):
        item = keys.workspace(change.after.id)
        body: list[Write] = [Put(item, workspace_to_data(change.after), when if before else ABSENT)]
        return body if before else body + _names("workspace", change.after)
    if isinstance(change.after, Server):
        item = keys.server(change.after.id)
        body = [Put(item, servers.to_data(change.after), when if before else ABSENT)]
        return body if before else body + _names("server", change.after)
    if isinstance(change.after, tuple):
        return [replacing(change.after, version=0 if change.before is None else change.before.version)]
    if change.kind in ("jwt_validation", "clients"):
        # A policy that nobody has written yet is there all the same, at version 0.
        return [_setting(change.after, when if change.before and change.before.version else ABSENT)]
    if before is None or not isinstance(before, Server | Workspace):
        return []
    item = keys.server(before.id) if isinstance(before, Server) else keys.workspace(before.id)
    return [Delete(item, when), Delete(keys.name(before.slug)), Delete(keys.name(before.id))]


def _setting(after: object, when: Condition) -> Write:
    if isinstance(after, ClientPolicy):
        return Put(keys.client_policy(), client_policy.to_data(after), when)
    if isinstance(after, JwtValidation):
        return Put(keys.jwt_validation(), jwt_validation.to_data(after), when)
    return Delete(keys.jwt_validation(), when)


def _names(kind: str, record: Workspace | Server) -> list[Write]:
    named = {"kind": kind, "id": record.id}
    return [Put(keys.name(record.slug), named, ABSENT), Put(keys.name(record.id), named, ABSENT)]


async def _tidy(table: Table, gone: object, state: State) -> None:
    """What hung on a server or workspace that is gone."""
    match gone:
        case Server():
            await forget_server(table, gone)
        case Workspace():
            await _forget_grants(table, gone)
            await forget_workspace(table, gone, state)


async def _forget_grants(table: Table, workspace: Workspace) -> None:
    """The keys of a workspace that is gone; they reach nothing any more, this only tidies up."""
    async for item in every(table, keys.workspace_grants(workspace.id), ""):
        await table.delete(item.key)
