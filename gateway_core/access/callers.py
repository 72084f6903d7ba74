"""The authenticated principal behind a request. Pure."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, with what, from which workspace."""

    kind: Literal["user", "service"]
    subject: str
    """E-mail address of a person, name of a service."""
    workspace_id: str
    credential_id: str
    servers: frozenset[str] | None
    """Ids of the servers that the credential is limited to, or None."""

    @property
    def principal(self) -> str:
        """One word for the caller, whichever credential is used."""
        return f"{self.workspace_id}/{self.kind}/{self.subject}"
