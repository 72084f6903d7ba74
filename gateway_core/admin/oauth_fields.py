"""What the fields of OAuth settings may hold, as people write them: scopes, parameters, issuers, ids of clients."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from gateway_core.admin.draft import agreed

MAX_SCOPES: Final = 100
MAX_SCOPE_TEXT: Final = 4_096
"""Characters of all scopes with the spaces between them. They stand in the URL of an authorization request, with the
parameters below: servers and browsers take URLs of 8 KB."""
MAX_PARAMS: Final = 10
MAX_PARAM: Final = 256
"""Characters of one value."""
OWN_PARAMS: Final = frozenset(
    {
        "client_id", "client_secret", "code", "code_challenge", "code_challenge_method", "iss", "nonce", "redirect_uri",
        "request", "request_uri", "resource", "response_mode", "response_type", "scope", "state",
    }
)  # fmt: skip
"""Parameters that the gateway writes itself, that would replace those (RFC 9101), or that answers have."""
_INSTEAD: Final = {
    "client_id": ": write client_id beside authorization_params",
    "client_secret": ": write client_secret beside authorization_params",
    "resource": ": resource_indicator says whether it is sent",
    "scope": ": write scopes beside authorization_params",
}
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""RFC 6749, section 3.3: `scope-token`."""
_PARAM: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""RFC 6749, section 8.2: `param-name`."""


def _scope(text: str) -> str:
    if " " in text:
        raise ValueError("each scope has an entry of its own: write [read, write]")
    if not _SCOPE.fullmatch(text):
        raise ValueError(f'{text[:80]!r} is no scope: visible ASCII without spaces, " and \\')
    return text


def _scope_list(written: Any) -> Any:
    if isinstance(written, list):
        return written
    raise ValueError("write a list of scopes, like [read, write], or [] to ask for none")


def _together(scopes: list[str]) -> list[str]:
    if len(" ".join(scopes)) > MAX_SCOPE_TEXT:
        raise ValueError(f"these scopes are longer than {MAX_SCOPE_TEXT:,} characters in all: ask for fewer")
    twice = [((place,), f"{each!r} appears twice") for place, each in enumerate(scopes) if each in scopes[:place]]
    return agreed(scopes, twice)


def _params(params: dict[str, str]) -> dict[str, str]:
    return agreed(params, [((name,), said) for name in params if (said := _param_problem(name)) is not None])


def _param_problem(name: str) -> str | None:
    if name.lower() in OWN_PARAMS:
        return f"{name} is the gateway's own to write{_INSTEAD.get(name.lower(), ': leave it out')}"
    if not _PARAM.fullmatch(name):
        return f"{name[:80]!r} is no name of a parameter: up to 64 letters, digits, hyphens, dots and underscores"
    return None


def _no_query(url: str) -> str:
    # RFC 8414, section 2: an issuer has neither query nor fragment. The latter no URL has that the gateway calls.
    if "?" in url:
        raise ValueError("an issuer has no query: write it as the server's metadata spells it")
    return url


ClientId = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[\x20-\x7e]+$")]
"""RFC 6749, appendix A.1; a URL where it is that of a metadata document."""
Url = Annotated[str, Field(min_length=1, max_length=2048)]
Issuer = Annotated[Url, AfterValidator(_no_query)]
Scopes = Annotated[
    list[Annotated[str, AfterValidator(_scope)]],
    Field(max_length=MAX_SCOPES),
    BeforeValidator(_scope_list),
    AfterValidator(_together),
]
Params = Annotated[
    dict[str, Annotated[str, Field(max_length=MAX_PARAM, pattern=r"^[\x20-\x7e]*$")]],
    Field(max_length=MAX_PARAMS),
    AfterValidator(_params),
]
