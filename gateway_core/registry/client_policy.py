"""Which OAuth clients may ask people to let them in, as the organisation decided; and the item that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway_core.ports import Table
from gateway_core.storage import keys


@dataclass(frozen=True, slots=True)
class ClientPolicy:
    """What holds for clients that nobody here entered (draft-ietf-oauth-client-id-metadata-document, sections 8.1 and
    8.9). Those of an administrator, and the gateway's own command line, are allowed whatever it says."""

    metadata_documents: Literal["any", "known", "none"] | tuple[str, ...] = "any"
    """Whose are taken: of every site; those that come with the gateway; nobody's; or of these hosts, which stand in
    lower case, with the port where that is not 443."""
    dynamic_registration: bool = True
    """Clients may register themselves (RFC 7591)."""

    def allows_document(self, host: str, *, known: bool) -> bool:
        """True when a client may come with a metadata document.

        Args:
            host: Of the document's URL, in lower case, with the port where the URL names one. Another port is another
                site: it may be somebody else's.
            known: The document is one of those that come with the gateway.
        """
        if isinstance(self.metadata_documents, tuple):
            return host.removesuffix(":443") in self.metadata_documents
        return self.metadata_documents == "any" or (self.metadata_documents == "known" and known)


def to_data(policy: ClientPolicy) -> dict[str, Any]:
    """The policy as a JSON object for the store."""
    documents = policy.metadata_documents
    return {
        "metadata_documents": list(documents) if isinstance(documents, tuple) else documents,
        "dynamic_registration": policy.dynamic_registration,
    }


def from_data(data: Mapping[str, Any]) -> ClientPolicy:
    """The policy that `to_data` wrote."""
    documents = data["metadata_documents"]
    return ClientPolicy(tuple(documents) if isinstance(documents, list) else documents, data["dynamic_registration"])


async def read(table: Table) -> ClientPolicy:
    """The policy as it is now, in one read: a change counts from the next request on, in every process."""
    item = await table.get(keys.client_policy())
    return ClientPolicy() if item is None else from_data(item.data)
