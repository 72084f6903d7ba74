"""The writing side of the registry, for whoever may do everything; `checked` asks first what an actor may."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway_core.access import grants
from gateway_core.access.api_keys import PREFIX, ApiKey, digest
from gateway_core.access.callers import no_longer_member
from gateway_core.access.roles import ADMINISTRATOR, Actor
from gateway_core.admin import api_keys, applying, planning
from gateway_core.admin.drafts import ApplyDraft, KeyDraft
from gateway_core.admin.links import Link
from gateway_core.admin.planning import Change
from gateway_core.admin.state import State, read_state
from gateway_core.connect.disconnecting import Revoked
from gateway_core.connect.steps import Step
from gateway_core.errors import Invalid, NotFound, Unauthenticated
from gateway_core.issuer.resources import admin_url
from gateway_core.ports import Clock, Secrets, Table
from gateway_core.registry.jwt_validation import Introspection, JwtValidation
from gateway_core.registry.people import People
from gateway_core.registry.servers import UPSTREAM_SECRETS, Server
from gateway_core.registry.slugs import secret_name_problem
from gateway_core.registry.upstream_auth import secrets_of
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys
from gateway_core.upstream.connections import Connection, removal

ADMIN_KEY: Final = "admin-key"
"""Name of the secret that proves an administrator. Upstream secrets have a prefix, so none can be this one."""


ADMIN_SCOPE: Final = "admin"
MakeLink = Callable[[str, str], Awaitable[Link]]
"""From a member's id, and the name of who asks, to the link with which they join."""
Disconnect = Callable[[Connection, Server | None, str], Awaitable[Revoked]]
"""Takes an account away, here and at its authorization server: the account, its server as it is now, and who asks. See
connect.disconnecting."""
Examine = Callable[[Server, Workspace, str, Actor], Awaitable[tuple[Step, ...]]]
"""Looks at a server step by step, as who asks would meet it from a workspace; the text is the organisation's name. See
connect.examining."""
LOG_IN: Final = "Log in with: gatehouse login"


@dataclass(frozen=True, slots=True)
class Administration:
    """The registry, keys and secrets, and who may administer them. Nothing else writes the registry."""

    table: Table
    secrets: Secrets
    clock: Clock
    check_url: Callable[[str], object]
    public_url: str = ""
    make_link: MakeLink | None = None
    """None where nobody administers people."""
    disconnect: Disconnect | None = None
    """None where accounts that are taken away are only forgotten here."""
    examine: Examine | None = None
    """None where nobody looks at servers."""
    passwords: bool = False
    """True where people join with a link and choose a password; else they sign in with an identity provider."""

    @property
    def people(self) -> People:
        """The members."""
        return People(self.table, self.clock)

    async def authenticate(self, authorization: str | None) -> Actor:
        """Who is behind an Authorization header: a member who let a client administer, or the administrator's key.

        Raises:
            Unauthenticated: Neither; the message says what to do.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unknown_key()
        located = grants.locate(token)
        if located is not None:
            return await self._by_token(token, located)
        if token.startswith(PREFIX):
            raise Unauthenticated(
                f"This is a key for MCP, and opens no administration. {LOG_IN}", reason="credential_for_mcp"
            )
        # Without a token there is nothing to compare, and on AWS each look at the secret is paid for.
        known = await self.secrets.get(ADMIN_KEY)
        if known is None or not hmac.compare_digest(token.encode(), known.encode()):
            raise _unknown_key()
        return ADMINISTRATOR

    async def _by_token(self, token: str, located: grants.Located) -> Actor:
        """The member whose access token it is. Two reads: only the grant says whose it is."""
        wanted = [keys.access_token(located.place, digest(token)), keys.grant(*located)]
        token_item, grant_item = await self.table.get_many(wanted)
        # The token is found by the digest of all of it, so that its grant is the one that it spells.
        if token_item is None or grant_item is None:
            raise Unauthenticated(f"This login has expired or was revoked. {LOG_IN}", reason="unknown_token")
        grant = grants.from_data(grant_item.data)
        if grant.expires_at <= self.clock():
            raise Unauthenticated(f"This login has expired. {LOG_IN}", reason="expired_grant")
        if grant.resource != admin_url(self.public_url) or ADMIN_SCOPE not in grant.scope.split():
            raise Unauthenticated(f"This token is for MCP, and opens no administration. {LOG_IN}",
                                  reason="credential_for_mcp")  # fmt: skip
        member = await self.people.get(grant.member_id)
        if member is None:
            raise Unauthenticated(no_longer_member(grant.removed), reason="removed_member")
        return Actor(member.email, member)

    async def state(self) -> State:
        """The registry as it stands."""
        return await read_state(self.table)

    async def apply(self, draft: ApplyDraft, state: State | None = None) -> list[Change]:
        """Make the registry say what the configuration says; the changes that were needed.

        Args:
            draft: The configuration.
            state: The registry as the caller has read it, if they have; it must still be so.

        Raises:
            Invalid: With one problem per field; nothing was changed.
            Conflict: Somebody else changed the registry meanwhile.
        """
        state = state or await self.state()
        changes = planning.plan(draft.config, state, prune=draft.prune, check_url=self.check_url)
        await applying.carry_out(self.table, changes, state)
        return changes

    async def create_key(self, draft: KeyDraft, *, by: str) -> tuple[str, ApiKey]:
        """A new API key and its text, which is not kept."""
        made = await api_keys.create(self.table, draft, await self.state(), clock=self.clock, by=by)
        return made.token, made.key

    async def revoke_key(self, key_id: str, *, by: str) -> ApiKey:
        """Revoke a key from the next request on.

        Raises:
            NotFound: There is none.
        """
        state = await self.state()
        item = await api_keys.find(self.table, key_id, [stored.record for stored in state.workspaces.values()])
        if item is None:
            raise api_keys.missing(key_id)
        return await api_keys.revoke(self.table, item, now=self.clock(), by=by)

    async def let_go(self, connection: Connection, server: Server | None, *, by: str) -> Revoked:
        """Take a connected account away. See `connect.disconnecting.Disconnecting.disconnect`."""
        if self.disconnect is not None:
            return await self.disconnect(connection, server, by)
        await self.table.transact(removal(connection, self.clock()))
        return "not_revoked"

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


def _unknown_key() -> Unauthenticated:
    return Unauthenticated(
        "This needs the administrator's key: Authorization: Bearer KEY. On one machine it is in the file "
        "admin.key of the data folder, and 'gatehouse admin-key' makes it anew. Or log in: gatehouse login",
        reason="not_an_administrator",
    )


def _secret(name: str) -> str:
    problem = secret_name_problem(name)
    if problem is not None:
        raise Invalid(f"{problem}.")
    return UPSTREAM_SECRETS + name


def _is_upstream(name: str) -> bool:
    return name.startswith(UPSTREAM_SECRETS)


def _users(name: str, state: State) -> list[str]:
    users = [slug for slug, stored in sorted(state.servers.items()) if _uses(stored.record, name)]
    believed = None if state.jwt_validation is None else state.jwt_validation.record
    return [*users, "jwt_validation of the organisation"] if _asks_with(believed, name) else users


def _uses(server: Server, name: str) -> bool:
    return name in secrets_of(server.auth) or _asks_with(server.jwt_validation, name)


def _asks_with(validation: JwtValidation | None, name: str) -> bool:
    """True where an issuer is asked about its tokens with that secret."""
    asked = None if validation is None else validation.vouching
    return isinstance(asked, Introspection) and asked.secret == name
