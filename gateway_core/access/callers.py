"""The authenticated principal behind a request. Pure."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, with what, from which workspace."""

    kind: Literal["user", "service"]
    subject: str
    """E-mail address of a member, name of a service, or what another issuer calls somebody."""
    workspace_id: str
    credential_id: str
    servers: frozenset[str] | None
    """Ids of the servers that the credential is limited to, or None."""
    issuer: str = ""
    """Who vouches for the subject, where that is not this gateway: a URL."""

    @property
    def principal(self) -> str:
        """One word for the caller, whichever credential is used. The same subject of another issuer is somebody else:
        no e-mail address and no service's name has a space."""
        who = f"{self.issuer} {self.subject}" if self.issuer else self.subject
        return f"{self.workspace_id}/{self.kind}/{who}"
