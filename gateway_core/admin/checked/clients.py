"""OAuth clients that administrators enter, as one actor may see and enter them."""

import logging
from dataclasses import dataclass

from gateway_core.access.roles import Actor
from gateway_core.admin.administration import Administration
from gateway_core.admin.authority import demand
from gateway_core.admin.drafts import ClientDraft
from gateway_core.errors import NotFound
from gateway_core.issuer.registered import Registered, RegisteredClients
from gateway_core.registry import client_policy
from gateway_core.registry.client_policy import ClientPolicy

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clients:
    """See the module."""

    admin: Administration
    actor: Actor

    async def listed(self) -> list[Registered]:
        """Every client that was entered, oldest first.

        Raises:
            NotAllowed: The actor may not see them.
        """
        demand(self.actor, "clients.read")
        return await self._clients().all()

    async def policy(self) -> ClientPolicy:
        """Which clients may come in that nobody here entered.

        Raises:
            NotAllowed: The actor may not see them.
        """
        demand(self.actor, "clients.read")
        return await client_policy.read(self.admin.table)

    async def create(self, draft: ClientDraft) -> tuple[Registered, str | None]:
        """A new client, and its secret if it has one, which is not kept.

        Raises:
            NotAllowed: The actor may not enter any.
            Invalid: It cannot be entered as written.
        """
        demand(self.actor, "clients.write")
        made, secret = await self._clients().create(
            draft.name, draft.redirect_uris, auth_method=draft.auth_method, by=self.actor.name
        )
        self._log("client_entered", made.client.id)
        return made, secret

    async def delete(self, client_id: str) -> None:
        """Remove a client, and all that people let it do.

        Raises:
            NotAllowed: The actor may not remove any.
            NotFound: There is none.
        """
        demand(self.actor, "clients.write")
        if await self._clients().delete(client_id) is None:
            raise NotFound(
                f"There is no client {client_id!r}. 'gatehouse clients list' shows them.", reason="unknown_client"
            )
        self._log("client_removed", client_id)

    def _log(self, event: str, client_id: str) -> None:
        logger.info(event, extra={"fields": {"actor": self.actor.id, "client": client_id}})

    def _clients(self) -> RegisteredClients:
        return RegisteredClients(self.admin.table, self.admin.clock)
