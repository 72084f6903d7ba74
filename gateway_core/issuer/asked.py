"""What a request to the token endpoint is about: everything that deciding it needs, read beforehand."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway_core.access.grants import Grant
from gateway_core.issuer.client import Client
from gateway_core.issuer.codes import Approved
from gateway_core.issuer.credentials import Presented
from gateway_core.issuer.forms import Form
from gateway_core.issuer.rotation import Standing


class Shown(NamedTuple):
    """The one secret, of either kind, that a request is about; whatever else it holds is not looked at."""

    code: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class ShownCode:
    """The authorization code of a request, as it is in the store."""

    approved: Approved
    version: int
    key: str
    """Its SHA-256."""


@dataclass(frozen=True, slots=True)
class ShownToken:
    """The access or refresh token of a request, and its grant as it is in the store."""

    grant: Grant
    version: int
    digest: str
    refresh: bool
    standing: Standing
    """Of a refresh token; `current` for an access token that is good."""
    expires_at: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Times are Unix seconds."""

    form: Form
    presented: Presented
    client: Client | None
    """The client it says to be, if there is one."""
    now: int
    public_url: str
    code: ShownCode | None = None
    token: ShownToken | None = None
    member_known: bool = False
    """True when the person whose grant it is, or would be, is still a member."""
    member_reaches: bool = False
    """True when they belong to the place of that grant as well, or it is for administering."""
    names_server: bool = False
    """True when `resource` is /{name}/mcp, and that name is a server's of the workspace that was approved."""
