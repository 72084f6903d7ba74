"""New revisions of the organisation: what makes every process read again what it has cached."""

import secrets
from collections.abc import Sequence

from gateway_core.errors import Conflict
from gateway_core.ports import Put, Table, Unchanged, Write
from gateway_core.storage import keys


async def write_in_new_revision(table: Table, writes: Sequence[Write]) -> None:
    """Carry out `writes` and give the organisation a new revision, both or neither.

    Raises:
        Conflict: A condition of `writes` does not hold.
    """
    head = await table.get(keys.organisation_head())
    while True:
        if head is None:
            # Nobody can have cached anything of an organisation that is not there yet.
            await table.transact(writes)
            return
        body = {"name": head.data["name"], "revision": secrets.token_hex(8)}
        try:
            await table.transact([Put(head.key, body, Unchanged(head.version)), *writes])
        except Conflict:
            now = await table.get(keys.organisation_head())
            if now is not None and now.version == head.version:
                raise
            # Somebody else gave it a new one, perhaps before our change: once more.
            head = now
        else:
            return
