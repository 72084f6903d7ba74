"""What the identity provider says about itself (OpenID Connect Discovery 1.0), read strictly and kept for an hour."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.ports import Clock
from gateway_core.signin.asking import Asking, unusable

KEPT_S: Final = 3_600
"""The endpoints of a provider change once in years."""
_URL: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(?:/[!$-;=?-Z_a-z~]*)?(?:\?[!$-;=?-Z_a-z~]*)?")
"""An absolute URL without user name, fragment, spaces or anything that could end a header."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The parts that sign-in uses."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]
    """How clients may prove who they are at the token endpoint."""
    says_issuer: bool
    """True where every answer at our callback names the issuer (RFC 9207)."""
    scopes: tuple[str, ...]
    prompts: tuple[str, ...]
    """Values of `prompt` that it takes; empty where it does not say (`prompt_values_supported`, Initiating User
    Registration via OpenID Connect 1.0)."""


class Discovery:
    """The metadata of one issuer. Each process asks for it once an hour."""

    def __init__(self, issuer: str, asking: Asking, clock: Clock) -> None:
        self._issuer = issuer
        self._asking = asking
        self._clock = clock
        self._kept: tuple[Metadata, int] | None = None

    async def metadata(self) -> Metadata:
        """The metadata.

        Raises:
            SignInFailed: It cannot be fetched, or cannot be used as it is.
        """
        now = self._clock()
        if self._kept is not None and now < self._kept[1] + KEPT_S:
            return self._kept[0]
        # Section 4.1: a slash at the end of the issuer is taken off before the path is added.
        url = f"{self._issuer.removesuffix('/')}/.well-known/openid-configuration"
        found = read_metadata(await self._asking.get(url, what="discovery"), self._issuer)
        self._kept = found, now
        return found


def read_metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    """What a discovery document says.

    Raises:
        SignInFailed: It is another issuer's (section 4.3: the two must be the same string), or lacks an endpoint.
    """
    if document.get("issuer") != issuer:
        raise unusable("discovery", "it names another issuer than OIDC_ISSUER")
    userinfo = document.get("userinfo_endpoint")
    methods = _words(document, "token_endpoint_auth_methods_supported")
    return Metadata(
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(document, "token_endpoint", issuer),
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        userinfo_endpoint=None if userinfo is None else _endpoint(document, "userinfo_endpoint", issuer),
        # Section 3: client_secret_basic is the default.
        auth_methods=methods or ("client_secret_basic",),
        says_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        scopes=_words(document, "scopes_supported"),
        prompts=_words(document, "prompt_values_supported"),
    )


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    plain_http = issuer.startswith("http://")
    if not isinstance(url, str) or not _URL.fullmatch(url) or not (url.startswith("https://") or plain_http):
        raise unusable("discovery", f"its {name} is no URL that can be used")
    return url


def _words(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = document.get(name)
    return tuple(word for word in found if isinstance(word, str)) if isinstance(found, list) else ()
