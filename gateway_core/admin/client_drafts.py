"""Which OAuth clients may ask people to let them in, as people write it: the section `clients`."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from gateway_core.admin.draft import Draft
from gateway_core.issuer.metadata_documents import host_of, is_document_url
from gateway_core.registry.client_policy import ClientPolicy

MAX_HOSTS: Final = 100
"""Hosts that are named. They are read at each sign-in of a client with a metadata document."""
WORDS: Final = ("any", "known", "none")


def _kind(value: Any) -> str:
    return "hosts" if isinstance(value, list) else "word"


def _word(value: Any) -> Any:
    if value not in WORDS:
        raise ValueError(f"write {', '.join(WORDS)}, or a list of hosts, like [claude.ai]")
    return value


def _host(entry: str) -> str:
    url = f"https://{entry}/client.json"
    if not is_document_url(url) or host_of(url) != entry.lower():
        raise ValueError(
            f"{entry[:80]!r} is no host: write the name alone, like claude.ai, without https://, path or *; "
            "each host has an entry of its own"
        )
    return entry.lower().removesuffix(":443")


def _some(hosts: list[str]) -> list[str]:
    if not hosts:
        raise ValueError("this list names no host: write none to take no metadata document")
    return hosts


class ClientPolicyDraft(Draft):
    """Which clients are allowed besides those that an administrator enters; becomes a `ClientPolicy`."""

    metadata_documents: Annotated[
        Annotated[
            list[Annotated[str, AfterValidator(_host)]],
            Field(max_length=MAX_HOSTS),
            AfterValidator(_some),
            Tag("hosts"),
        ]
        | Annotated[Literal["any", "known", "none"], BeforeValidator(_word), Tag("word")],
        Discriminator(_kind),
    ] = "any"
    dynamic_registration: bool = True

    def policy(self) -> ClientPolicy:
        """As it is kept. In which order hosts are written, and how often, makes no difference."""
        said = self.metadata_documents
        documents = tuple(sorted(set(said))) if isinstance(said, list) else said
        return ClientPolicy(documents, self.dynamic_registration)
