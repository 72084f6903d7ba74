"""The authenticated principal behind a request. Pure."""

from typing import Literal, NamedTuple

from gateway_core.errors import Unauthenticated


class Caller(NamedTuple):
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
    member_id: str | None = None
    """Of a person of the organisation; None for services and for people of other issuers."""
    client_id: str = ""
    """Of the OAuth client that shows the credential, as who vouches for the subject knows it; empty for API keys."""

    @property
    def told(self) -> str:
        """The caller as records name them; empty where nobody knows any more who it was."""
        return f"{self.kind}:{self.subject}" if self.subject else ""

    @property
    def principal(self) -> str:
        """One word for the caller, whichever credential is used. The same subject of another issuer is somebody else:
        no e-mail address and no service's name has a space."""
        who = f"{self.issuer} {self.subject}" if self.issuer else self.subject
        return f"{self.workspace_id}/{self.kind}/{who}"


class CredentialEnded(Unauthenticated):
    """A credential was shown whole, and opens nothing any more. For the record of the call, never for the client: the
    caller that it proves, and the slug of the workspace once somebody has looked it up."""

    workspace = ""

    def __init__(self, message: str, caller: Caller, *, reason: str) -> None:
        super().__init__(message, reason=reason)
        self.caller = caller


def no_longer_member(email: str) -> str:
    """What whoever holds something hears that belonged to a member who was removed since; `email` is theirs, or empty
    where nobody knows it any more. They may have been invited anew, as somebody new to the gateway."""
    who = email or "Whoever this was given to"
    return f"{who} is no longer a member here. Ask an administrator; if they have invited you anew, sign in again."
