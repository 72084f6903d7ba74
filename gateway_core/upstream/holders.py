"""Whose account at an upstream server a caller uses. Pure."""

from typing import NamedTuple

from gateway_core.access.grants import ORGANISATION_PLACE
from gateway_core.ports import Key
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import Granularity, granularity_of
from gateway_core.storage import keys


class Holder(NamedTuple):
    """Whose an account is."""

    granularity: Granularity
    id: str
    """`org`, a workspace's id, or a member's."""

    @property
    def place(self) -> str:
        """Where its tokens are sealed, see `vault.Vault`."""
        return self.id if self.granularity == "workspace" else ORGANISATION_PLACE


def holder_of(granularity: Granularity, *, workspace_id: str, member_id: str | None) -> Holder | None:
    """Whose account a caller uses; None for a caller who is no member, where each member has their own."""
    match granularity:
        case "organisation":
            return Holder(granularity, ORGANISATION_PLACE)
        case "workspace":
            return Holder(granularity, workspace_id)
        case "user":
            return None if member_id is None else Holder(granularity, member_id)


def connection_key(server: Server, workspace_id: str, member_id: str | None) -> Key | None:
    """Where the account is kept with which a caller uses a server; None where there is none."""
    granularity = granularity_of(server.auth)
    if granularity is None:
        return None
    holder = holder_of(granularity, workspace_id=workspace_id, member_id=member_id)
    return None if holder is None else keys.connection(server.id, holder.id)
