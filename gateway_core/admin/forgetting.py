"""Connected accounts of what is no longer there: a server, or a workspace. They open nothing any more; this tidies up.

Authorization servers are not told: there may be thousands of accounts, and nobody can use what was forgotten.
"""

from gateway_core.admin.state import State, every
from gateway_core.connect.connected import PAGE, Connected
from gateway_core.ports import Table
from gateway_core.registry.servers import Server
from gateway_core.registry.workspaces import Workspace
from gateway_core.storage import keys


async def forget_server(table: Table, server: Server) -> None:
    """Every account at a server that is gone, with the clients that the gateway has registered for it."""
    for connection in await Connected(table).of_server(server.id):
        if connection.holder.granularity == "user":
            await table.delete(keys.member_connection(connection.holder.id, server.id))
    for partition in (keys.server_connections(server.id), keys.server_clients(server.id)):
        async for item in every(table, partition, ""):
            await table.delete(item.key)


async def forget_workspace(table: Table, workspace: Workspace, state: State) -> None:
    """The accounts that were one for a workspace that is gone, with the key that sealed them: what a backup holds of
    them cannot be read without it, either, unless it is as old as the key."""
    places = [keys.connection(stored.record.id, workspace.id) for stored in state.servers.values()]
    for start in range(0, len(places), PAGE):
        for item in await table.get_many(places[start : start + PAGE]):
            if item is not None:
                await table.delete(item.key)
    await table.delete(keys.data_key(workspace.id))
