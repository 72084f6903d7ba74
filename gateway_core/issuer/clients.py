"""Where clients are looked up, however they are known."""

from dataclasses import dataclass
from typing import Final

from gateway_core.issuer import registered, registration
from gateway_core.issuer.client import COMMAND_LINE, Client
from gateway_core.issuer.documents import Documents
from gateway_core.issuer.metadata_documents import host_of, is_document_url
from gateway_core.ports import Keyring, Table

__all__ = ["COMMAND_LINE", "Client", "Clients"]

MAX_ID: Final = 3_000
"""Characters of a client id; those that we seal have up to 2 100."""


@dataclass(frozen=True, slots=True)
class Clients:
    """One per process."""

    table: Table
    keyring: Keyring
    documents: Documents

    async def find(self, client_id: str) -> Client | None:
        """The client of that id, or None when nobody has it.

        Raises:
            OAuthError: invalid_client. The id is the URL of a metadata document that cannot be fetched or used; the
                message says why.
        """
        if client_id.startswith("https://"):
            return await self.documents.get(client_id)
        return await self._kept(client_id)

    async def find_without_fetching(self, client_id: str) -> Client | None:
        """The client of that id as far as the token endpoint needs it: no metadata document is fetched.

        Who has a document authenticates by its id alone, and what it was granted says which client that was: so nobody
        is signed out while a vendor's web site is down. Such a client comes without name and redirect URIs.
        """
        if client_id.startswith("https://"):
            found = is_document_url(client_id)
            return Client(client_id, "metadata_document", "", (), "none", host=host_of(client_id)) if found else None
        return await self._kept(client_id)

    async def _kept(self, client_id: str) -> Client | None:
        if len(client_id) > MAX_ID:
            return None
        if client_id == COMMAND_LINE.id:
            return COMMAND_LINE
        if client_id.startswith(registration.PREFIX):
            return await registration.find(self.keyring, client_id)
        return await registered.find(self.table, client_id)
