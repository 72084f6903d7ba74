"""What a removed member leaves behind: it opens nothing any more; this says so in the lists, and to who shows it."""

from contextlib import suppress

from gateway_core.admin import api_keys
from gateway_core.admin.administration import Administration
from gateway_core.connect.connected import Connected
from gateway_core.errors import Conflict
from gateway_core.issuer.grants import Grants
from gateway_core.registry.members import Member
from gateway_core.storage import keys
from gateway_core.upstream.connections import removal


async def tidy(admin: Administration, member: Member, *, by: str) -> None:
    """Mark the keys of a removed member as revoked, end what they let clients do, and forget their own accounts."""
    for key in await api_keys.of_member(admin.table, member.id):
        item = await admin.table.get(keys.api_key(key.workspace_id, key.id))
        if item is not None:
            # Whoever changed it at this moment revoked it or deleted it: there is nothing else to change in a key.
            with suppress(Conflict):
                await api_keys.revoke_of_removed(admin.table, item, now=admin.clock(), by=by)
    grants = Grants(admin.table, admin.clock)
    for grant in await grants.of_member(member.id):
        await grants.leave_word(grant.place, grant.id, email=member.email)
    for connection in await Connected(admin.table).of_member(member.id):
        await admin.table.transact(removal(connection, admin.clock()))
