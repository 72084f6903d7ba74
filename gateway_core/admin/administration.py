"""What an administrator can do, in one place. API and command line call this; nothing else writes the registry."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway_core.access.api_keys import ApiKey
from gateway_core.admin import api_keys, applying, planning
from gateway_core.admin.drafts import ApplyDraft, KeyDraft
from gateway_core.admin.planning import Change
from gateway_core.admin.state import State, read_state
from gateway_core.errors import Invalid, NotFound, Unauthenticated
from gateway_core.ports import Clock, Secrets, Table
from gateway_core.registry.servers import UPSTREAM_SECRETS, StaticHeaders
from gateway_core.registry.slugs import secret_name_problem

ADMIN_KEY: Final = "admin-key"
"""Name of the secret that proves an administrator. Upstream secrets have a prefix, so none can be this one."""


@dataclass(frozen=True, slots=True)
class Administration:
    """The writing side of the registry."""

    table: Table
    secrets: Secrets
    clock: Clock
    check_url: Callable[[str], object]

    async def authenticate(self, authorization: str | None) -> str:
        """The administrator behind an Authorization header.

        Raises:
            Unauthenticated: It is not the administrator's key.
        """
        scheme, _, token = (authorization or "").partition(" ")
        # Without a token there is nothing to compare, and on AWS each look at the secret is paid for.
        known = await self.secrets.get(ADMIN_KEY) if token and scheme.lower() == "bearer" else None
        if known is None or not hmac.compare_digest(token.encode(), known.encode()):
            raise Unauthenticated(
                "This needs the administrator's key: Authorization: Bearer KEY. On one machine it is in the file "
                "admin.key of the data folder; if that is lost, run: gatehouse admin-key",
                reason="not_an_administrator",
            )
        return "administrator"

    async def state(self) -> State:
        """The registry as it stands."""
        return await read_state(self.table)

    async def apply(self, draft: ApplyDraft) -> list[Change]:
        """Make the registry say what the configuration says; the changes that were needed.

        Raises:
            Invalid: With one problem per field; nothing was changed.
            Conflict: Somebody else changed the registry meanwhile.
        """
        state = await self.state()
        changes = planning.plan(draft.config, state, prune=draft.prune, check_url=self.check_url)
        await applying.carry_out(self.table, changes, state)
        return changes

    async def create_key(self, draft: KeyDraft, *, by: str) -> tuple[str, ApiKey]:
        """A new API key and its text, which is not kept."""
        return await api_keys.create(self.table, draft, now=self.clock(), by=by)

    async def list_keys(self, workspace: str | None) -> list[ApiKey]:
        """The keys of one workspace, or of all."""
        return await api_keys.list_all(self.table, workspace)

    async def revoke_key(self, key_id: str, *, by: str) -> ApiKey:
        """Revoke a key from the next request on."""
        return await api_keys.revoke(self.table, key_id, now=self.clock(), by=by)

    async def set_secret(self, name: str, value: str) -> None:
        """Create or replace a secret; it is used from the next request on."""
        await self.secrets.put(_secret(name), value)
        await applying.touch(self.table)

    async def list_secrets(self) -> list[tuple[str, list[str]]]:
        """Every secret by name, with the servers that use it. Values are never given out."""
        state = await self.state()
        names = [name.removeprefix(UPSTREAM_SECRETS) for name in await self.secrets.names() if _is_upstream(name)]
        return [(name, _users(name, state)) for name in names]

    async def delete_secret(self, name: str) -> None:
        """Remove a secret.

        Raises:
            NotFound: There is none.
            Invalid: A server still uses it.
        """
        users = _users(name, await self.state())
        if users:
            raise Invalid(f"The secret {name!r} is used by {', '.join(users)}. Change their auth first.")
        if not await self.secrets.delete(_secret(name)):
            raise NotFound(
                f"There is no secret {name!r}. 'gatehouse secrets list' shows them.", reason="unknown_secret"
            )
        await applying.touch(self.table)


def _secret(name: str) -> str:
    problem = secret_name_problem(name)
    if problem is not None:
        raise Invalid(f"{problem}.")
    return UPSTREAM_SECRETS + name


def _is_upstream(name: str) -> bool:
    return name.startswith(UPSTREAM_SECRETS)


def _users(name: str, state: State) -> list[str]:
    return [
        slug
        for slug, stored in sorted(state.servers.items())
        if isinstance(stored.record.auth, StaticHeaders)
        and any(header.secret == name for header in stored.record.auth.headers)
    ]
