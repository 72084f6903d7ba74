"""Where clients are looked up, however they are known, and whether the organisation allows them."""

import logging
from dataclasses import dataclass
from typing import Final

from gateway_core.access.grants import ClientKind
from gateway_core.errors import OAuthError
from gateway_core.issuer import registered, registration
from gateway_core.issuer.client import COMMAND_LINE, Client, quoted
from gateway_core.issuer.documents import Documents
from gateway_core.issuer.metadata_documents import host_of, is_document_url
from gateway_core.ports import Keyring, Table
from gateway_core.registry import client_policy
from gateway_core.registry.client_policy import ClientPolicy

__all__ = ["COMMAND_LINE", "Client", "Clients"]

MAX_ID: Final = 3_000
"""Characters of a client id; those that we seal have up to 2 100."""
WHOM_TO_ASK: Final = (
    "Ask an administrator: the section clients of the configuration file says which apps may sign in, "
    "and 'gatehouse clients create' enters one that always may."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clients:
    """One per process."""

    table: Table
    keyring: Keyring
    documents: Documents

    async def policy(self) -> ClientPolicy:
        """Which clients the organisation allows, as of now."""
        return await client_policy.read(self.table)

    async def find(self, client_id: str) -> Client | None:
        """The client of that id, or None when nobody has it.

        Raises:
            OAuthError: invalid_client. The organisation does not allow it, and then nothing was fetched; or the id is
                the URL of a metadata document that cannot be fetched or used. The message says why.
        """
        client = await self.find_without_fetching(client_id)
        return await self.documents.get(client_id) if client_id.startswith("https://") else client

    async def find_without_fetching(self, client_id: str) -> Client | None:
        """The client of that id as far as the token endpoint needs it: no metadata document is fetched.

        Who has a document authenticates by its id alone, and what it was granted says which client that was: so nobody
        is signed out while a vendor's web site is down. Such a client comes without name and redirect URIs.

        Raises:
            OAuthError: invalid_client. The organisation does not allow it.
        """
        client = await self.find_allowed_or_not(client_id)
        refusal = None if client is None else await self._refusal(client)
        if client is None or refusal is None:
            return client
        log_not_allowed(client.kind, client.host)
        raise OAuthError("invalid_client", f"{refusal} {WHOM_TO_ASK}", status=401, reason="client_not_allowed")

    async def find_allowed_or_not(self, client_id: str) -> Client | None:
        """The same, whatever the organisation says of it."""
        if client_id.startswith("https://"):
            found = is_document_url(client_id)
            return Client(client_id, "metadata_document", "", (), "none", host=host_of(client_id)) if found else None
        return await self._kept(client_id)

    def allowed(self, policy: ClientPolicy, client_id: str, kind: ClientKind) -> bool:
        """True where `policy` allows the client of that id. Asks nobody."""
        if kind == "metadata_document":
            return policy.allows_document(host_of(client_id), known=self.documents.knows(client_id))
        return kind != "dynamic" or policy.dynamic_registration

    async def _refusal(self, client: Client) -> str | None:
        """Why the organisation does not allow `client`, or None. What somebody here vouches for costs no read."""
        vouched = client.kind in ("registered", "built_in")
        if vouched or self.allowed(await self.policy(), client.id, client.kind):
            return None
        if client.kind == "metadata_document":
            return f"The organisation does not allow the app {client.id} here."
        name = quoted(client.name)
        return f"The organisation does not allow apps that register themselves, as this one did under the name {name}."

    async def _kept(self, client_id: str) -> Client | None:
        if len(client_id) > MAX_ID:
            return None
        if client_id == COMMAND_LINE.id:
            return COMMAND_LINE
        if client_id.startswith(registration.PREFIX):
            return await registration.find(self.keyring, client_id)
        return await registered.find(self.table, client_id)


def log_not_allowed(kind: ClientKind, host: str | None) -> None:
    """That the organisation's policy turned a client away. Without its name, which anybody chooses."""
    logger.info("client_not_allowed", extra={"fields": {"kind": kind, "host": host}})
