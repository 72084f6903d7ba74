"""Making, listing and revoking API keys."""

from dataclasses import replace

from gateway_core.access import api_keys
from gateway_core.access.api_keys import ApiKey
from gateway_core.admin.drafts import KeyDraft
from gateway_core.admin.state import State, every, read_state
from gateway_core.errors import Invalid, NotFound
from gateway_core.ports import ABSENT, Table, Unchanged
from gateway_core.registry.slugs import new_id
from gateway_core.storage import keys


async def create(table: Table, draft: KeyDraft, *, now: int, by: str) -> tuple[str, ApiKey]:
    """A new key. Its text is returned once and never stored.

    Raises:
        Invalid: Unknown workspace or server.
    """
    state = await read_state(table)
    workspace = state.workspaces.get(draft.workspace)
    if workspace is None:
        raise _unknown(("workspace",), "workspace", draft.workspace, state.workspaces)
    key_id = new_id("k")
    token = api_keys.generate(workspace.record.id, key_id)
    key = ApiKey(
        id=key_id,
        workspace_id=workspace.record.id,
        hash=api_keys.digest(token),
        kind=draft.kind,
        subject=draft.subject,
        servers=_server_ids(draft.servers, state),
        created_at=now,
        created_by=by,
        expires_at=None if draft.expires_in_s is None else now + draft.expires_in_s,
    )
    await table.put(keys.api_key(workspace.record.id, key_id), api_keys.to_data(key), when=ABSENT)
    return token, key


async def list_all(table: Table, workspace: str | None) -> list[ApiKey]:
    """Every key of one workspace, or of all, oldest first.

    Raises:
        Invalid: Unknown workspace.
    """
    state = await read_state(table)
    if workspace is not None and workspace not in state.workspaces:
        raise _unknown(("workspace",), "workspace", workspace, state.workspaces)
    wanted = [stored.record.id for slug, stored in state.workspaces.items() if workspace in (None, slug)]
    found = [
        api_keys.from_data(item.data)
        for workspace_id in wanted
        async for item in every(table, keys.workspace_grants(workspace_id), keys.API_KEY_PREFIX)
    ]
    return sorted(found, key=lambda key: (key.created_at, key.id))


async def revoke(table: Table, key_id: str, *, now: int, by: str) -> ApiKey:
    """Revoke a key; it is refused from the next request on. Revoking it again changes nothing.

    Raises:
        NotFound: There is no such key.
    """
    state = await read_state(table)
    places = [keys.api_key(stored.record.id, key_id) for stored in state.workspaces.values()]
    for start in range(0, len(places), 100):
        for item in await table.get_many(places[start : start + 100]):
            if item is None:
                continue
            key = api_keys.from_data(item.data)
            if key.revoked_at is None:
                key = replace(key, revoked_at=now, revoked_by=by)
                await table.put(item.key, api_keys.to_data(key), when=Unchanged(item.version))
            return key
    raise NotFound(f"There is no API key {key_id!r}. 'gatehouse keys list' shows them.", reason="unknown_key")


def _server_ids(slugs: list[str] | None, state: State) -> tuple[str, ...] | None:
    if slugs is None:
        return None
    for index, slug in enumerate(slugs):
        if slug not in state.servers:
            raise _unknown(("servers", index), "server", slug, state.servers)
    return tuple(state.servers[slug].record.id for slug in slugs)


def _unknown(path: tuple[str | int, ...], kind: str, slug: str, known: object) -> Invalid:
    there = ", ".join(sorted(known)) if isinstance(known, dict) and known else "none"
    told = f"There is no {kind} {slug!r} (there is: {there})."
    return Invalid(told, problems=((path, told),))
