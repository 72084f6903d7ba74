"""The one credential of a request, wherever clients put it, and nothing judged about it yet. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from gateway_core.errors import TwoCredentials, Unauthenticated
from gateway_core.headers import Headers

KEY_HEADERS: Final = ("x-portkey-api-key", "x-api-key")
"""Where clients put an API key besides `Authorization: Bearer`."""
MAX_OWN: Final = 512
"""Characters; a longer value cannot be a credential of ours."""
MAX_FOREIGN: Final = 8_192
"""Characters of a token of another issuer. The largest in use list 200 groups, in 7 000; API Gateway takes 10 240 bytes
of headers in all."""
_OWN: Final = re.compile(r"gh[a-z]_")
"""How credentials of ours begin."""
_JWT: Final = re.compile(r"(?:^|[\s,])e[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.")
"""Three parts, the first a JSON object: that begins with an "e" in base64url."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows. `token` is None where no header of ours has one."""

    token: str | None = field(repr=False)
    in_authorization: bool
    elsewhere: frozenset[str]
    """Other headers that hold what has the form of a JWT, or came twice, so that nobody knows what they hold: whether
    that is a credential, the server's settings say."""

    @property
    def own(self) -> bool:
        """True for a credential that this gateway gave out, or that is made to look like one."""
        return self.token is not None and _OWN.match(self.token) is not None


def shown(headers: Headers) -> Shown:
    """What a request shows.

    Raises:
        TwoCredentials: Two headers carry different ones, or one header carries several.
        Unauthenticated: What stands there cannot be a credential.
    """
    found = {headers.get(name) for name in KEY_HEADERS} - {None}
    authorization = headers.get("authorization")
    if authorization is not None:
        found.add(_bearer(authorization))
    if len(found) > 1 or headers.repeated & {"authorization", *KEY_HEADERS}:
        raise two_credentials()
    made = Shown(next(iter(found), None), authorization is not None, _elsewhere(headers))
    if made.token is not None and len(made.token) > (MAX_OWN if made.own else MAX_FOREIGN):
        raise Unauthenticated("The credential is too long to be one of this gateway's.", reason="malformed_credential")
    return made


def two_credentials() -> TwoCredentials:
    """The refusal of a request of which nobody can say whose it is."""
    return TwoCredentials("This request carries more than one credential. Send one: Authorization: Bearer ghk_…")


def bare(value: str) -> str:
    """A token without the word `Bearer` before it, which some clients write in headers of other names too."""
    scheme, _, token = value.partition(" ")
    return token.strip() if token and scheme.lower() == "bearer" else value


def _elsewhere(headers: Headers) -> frozenset[str]:
    return frozenset(
        name
        for name, value in headers.values.items()
        if name not in ("authorization", *KEY_HEADERS)
        and (name in headers.repeated or (value.count(".") > 1 and _JWT.search(value)))
    )


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if "," in authorization or " " in token:
        raise TwoCredentials("The Authorization header carries more than one credential. Send: Bearer ghk_…")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The Authorization header must read: Bearer ghk_…", reason="malformed_credential")
    return token
