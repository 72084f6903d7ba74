"""Making, listing and revoking API keys."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway_core.access import api_keys
from gateway_core.access.api_keys import ApiKey
from gateway_core.admin.drafts import KeyDraft
from gateway_core.admin.links import Given, give
from gateway_core.admin.state import State, every
from gateway_core.errors import Invalid, NotFound
from gateway_core.ports import ABSENT, PRESENT, Check, Clock, Item, Key, Put, Table, Unchanged, Write
from gateway_core.registry.members import Member, Roles
from gateway_core.registry.people import People
from gateway_core.registry.slugs import new_id
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys

logger = logging.getLogger(__name__)


Demand = Callable[[Member], Awaitable[None]]
"""Goes on only if a key may be made for this member; raises where it may not."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key, with its text, which is not kept."""

    token: str = field(repr=False)
    key: ApiKey
    owner: Given | None = None
    """Whose it is, and whether the link that they were sent ended; None for a service's."""


async def create(
    table: Table, draft: KeyDraft, state: State, *, clock: Clock, by: str, demand: Demand | None = None
) -> NewKey:
    """A new key. Its text is returned once and never stored.

    A person's key makes them a member, of the organisation and of the key's workspace, if they are none yet.

    Args:
        table: The store.
        draft: The key.
        state: The registry, as far as whoever asks sees it.
        clock: Tells the time.
        by: Who asks.
        demand: Judges whose key it will be; None lets it be anybody's.

    Raises:
        Invalid: Unknown workspace or server.
        Conflict: The person was removed or changed meanwhile.
    """
    workspace_id, servers = _workspace_id(draft.workspace, state), _server_ids(draft.servers, state)
    key_id, now = new_id("k"), clock()
    token = api_keys.generate(workspace_id, key_id)
    key = ApiKey(
        id=key_id,
        workspace_id=workspace_id,
        hash=api_keys.digest(token),
        kind=draft.kind,
        subject=draft.subject,
        servers=servers,
        created_at=now,
        created_by=by,
        expires_at=None if draft.expires_in_s is None else now + draft.expires_in_s,
    )
    owner = None
    if draft.kind == "user":
        owner = await _owner(People(table, clock), key, by=by, demand=demand)
        key = replace(key, subject=owner.member.email, member_id=owner.member.id)
    await table.transact(_writes(key))
    return NewKey(token, key, owner)


async def _owner(people: People, key: ApiKey, *, by: str, demand: Demand | None) -> Given:
    """Whose key it is, a member of its workspace by now. Who is found is judged: they may be there only since just
    now, with roles that somebody else gave."""
    here = Roles(workspaces={key.workspace_id: "member"})
    found = await people.found_or_added(key.subject, given=here, by=by)
    if demand is not None:
        await demand(found)
    if found.reaches(key.workspace_id):
        return Given(found)
    now = await give(people, found, found.given.joined(here))
    logger.info("roles_changed", extra={"fields": {"by": by, "member": found.id}})
    return now


def _writes(key: ApiKey) -> list[Write]:
    made: list[Write] = [Put(keys.api_key(key.workspace_id, key.id), api_keys.to_data(key), ABSENT)]
    if key.member_id is not None:
        index = keys.member_api_key(key.member_id, key.workspace_id, key.id)
        made += [Check(keys.member(key.member_id), PRESENT), Put(index, {"workspace_id": key.workspace_id})]
    return made


async def of_workspaces(table: Table, workspaces: Iterable[Workspace]) -> list[ApiKey]:
    """Every key of some workspaces, oldest first."""
    found = [
        api_keys.from_data(item.data)
        for workspace in workspaces
        async for item in every(table, keys.workspace_grants(workspace.id), keys.API_KEY_PREFIX)
    ]
    return sorted(found, key=lambda key: (key.created_at, key.id))


async def of_member(table: Table, member_id: str) -> list[ApiKey]:
    """Every key of one person, oldest first."""
    places = [
        keys.api_key(item.data["workspace_id"], item.key.sk.rpartition("#")[2])
        async for item in every(table, keys.member_grants(member_id), keys.API_KEY_PREFIX)
    ]
    found = [api_keys.from_data(item.data) for item in await _all(table, places)]
    return sorted(found, key=lambda key: (key.created_at, key.id))


async def find(table: Table, key_id: str, workspaces: Iterable[Workspace]) -> Item | None:
    """The key of an id in one of some workspaces, or None."""
    found = await _all(table, [keys.api_key(workspace.id, key_id) for workspace in workspaces])
    return found[0] if found else None


async def revoke(table: Table, item: Item, *, now: int, by: str) -> ApiKey:
    """Revoke a key; it is refused from the next request on. Revoking it again changes nothing.

    Raises:
        Conflict: Somebody else changed it at the same time.
    """
    key = api_keys.from_data(item.data)
    if key.revoked_at is None:
        key = replace(key, revoked_at=now, revoked_by=by)
        await table.put(item.key, api_keys.to_data(key), when=Unchanged(item.version))
    return key


async def revoke_of_removed(table: Table, item: Item, *, now: int, by: str) -> None:
    """Revoke a key whose member was removed, or say so of one that was revoked before.

    Raises:
        Conflict: Somebody else changed it at the same time.
    """
    key = api_keys.from_data(item.data)
    key = replace(key, revoked_at=key.revoked_at or now, revoked_by=key.revoked_by or by, removed=True)
    await table.put(item.key, api_keys.to_data(key), when=Unchanged(item.version))


def missing(key_id: str) -> NotFound:
    """There is no such key, or it is none of theirs who ask."""
    return NotFound(f"There is no API key {key_id!r}. 'gatehouse keys list' shows them.", reason="unknown_key")


def unknown(path: tuple[str | int, ...], kind: str, slug: str, known: Mapping[str, object]) -> Invalid:
    """The refusal of a name that is not known, with those that are."""
    told = f"There is no {kind} {slug!r} (there is: {', '.join(sorted(known)) or 'none'})."
    return Invalid(told, problems=((path, told),))


async def _all(table: Table, places: list[Key]) -> list[Item]:
    found: list[Item] = []
    for start in range(0, len(places), 100):
        found += [item for item in await table.get_many(places[start : start + 100]) if item is not None]
    return found


def _workspace_id(slug: str, state: State) -> str:
    workspace = state.workspaces.get(slug)
    if workspace is None:
        raise unknown(("workspace",), "workspace", slug, state.workspaces)
    return workspace.record.id


def _server_ids(slugs: list[str] | None, state: State) -> tuple[str, ...] | None:
    if slugs is None:
        return None
    for index, slug in enumerate(slugs):
        if slug not in state.servers:
            raise unknown(("servers", index), "server", slug, state.servers)
    return tuple(state.servers[slug].record.id for slug in slugs)
