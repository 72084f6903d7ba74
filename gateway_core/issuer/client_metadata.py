"""What a client may say about itself, in a registration (RFC 7591) or in a metadata document. Pure.

What is not known is ignored, and so is what we have no use for: logos are never fetched, contacts never kept.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway_core.issuer import redirects
from gateway_core.issuer.client import MAX_NAME, visible
from gateway_core.protocol.header_values import quotable

MAX_REDIRECT_URIS: Final = 10
MAX_URI: Final = 1_000
NAMELESS: Final = "unnamed app"
SHOWN_URIS: Final = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
"""Members that other servers put on their consent page as links: never a `javascript:`, whoever shows them."""
_WEB_URI: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:[/?#][!#-;=?-\[\]_a-z~]*)?", re.IGNORECASE | re.ASCII)


class Unacceptable(ValueError):
    """Metadata that cannot be registered; `code` is RFC 7591's (section 3.2.2), the text is public.

    Args:
        code: `invalid_redirect_uri` or `invalid_client_metadata`.
        why: One sentence.
    """

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = quotable(why)


def redirect_uris(said: Mapping[str, Any]) -> tuple[str, ...]:
    """`redirect_uris`, each once.

    Raises:
        Unacceptable: None, too many, or one that nobody may register.
    """
    found = said.get("redirect_uris")
    if not isinstance(found, list) or not found:
        raise Unacceptable("invalid_redirect_uri", "redirect_uris must be a list with at least one URI.")
    if len(found) > MAX_REDIRECT_URIS:
        raise Unacceptable("invalid_redirect_uri", f"redirect_uris holds more than {MAX_REDIRECT_URIS} URIs.")
    for uri in found:
        problem = redirects.problem_of(uri) if isinstance(uri, str) else "it is no string"
        if problem:
            raise Unacceptable(
                "invalid_redirect_uri", f"Redirect URI {str(uri)[:80]!r} cannot be registered: {problem}."
            )
    return tuple(dict.fromkeys(found))


def check_elsewhere(said: Mapping[str, Any], public_url: str) -> None:
    """Refuse redirect URIs that lead back to the gateway.

    Raises:
        Unacceptable: One does, or one is none that could be registered.
    """
    if any(redirects.leads_to(uri, public_url) for uri in redirect_uris(said)):
        raise Unacceptable("invalid_redirect_uri", "A redirect URI leads to the gateway itself.")


def name(said: Mapping[str, Any]) -> str:
    """`client_name` as a page may show it, or "" where there is none.

    Raises:
        Unacceptable: No text, or too long.
    """
    found = said.get("client_name", "")
    if not isinstance(found, str) or len(found) > MAX_NAME:
        raise Unacceptable("invalid_client_metadata", f"client_name must be a text of at most {MAX_NAME} characters.")
    return visible(found)


def check_shown_uris(said: Mapping[str, Any]) -> None:
    """Refuse a URI for people that is neither http nor https, in any of its languages (RFC 7591, section 2.2).

    Raises:
        Unacceptable: There is one.
    """
    for member, value in said.items():
        if member.partition("#")[0] not in SHOWN_URIS or value is None or value == "":
            continue
        if not isinstance(value, str) or len(value) > MAX_URI or not _WEB_URI.fullmatch(value):
            raise Unacceptable("invalid_client_metadata", f"{member[:40]} must be an http or https URL.")


def check_code_flow(said: Mapping[str, Any]) -> None:
    """Refuse a client that cannot use the one way there is: authorization code, answered in the query.

    Raises:
        Unacceptable: `grant_types` or `response_types` leaves it out, or is no list of texts.
    """
    for member, needed in (("grant_types", "authorization_code"), ("response_types", "code")):
        found = said.get(member)
        if found is None:
            continue
        if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
            raise Unacceptable("invalid_client_metadata", f"{member} must be a list of texts.")
        if needed not in found:
            raise Unacceptable("invalid_client_metadata", f"{member} must hold {needed!r}: there is no other way here.")


def check_keys(said: Mapping[str, Any]) -> None:
    """Refuse keys that were published by mistake.

    Raises:
        Unacceptable: `jwks` beside `jwks_uri` (RFC 7591, section 2), or a key in it that is not public.
    """
    keys = said.get("jwks")
    if keys is None:
        return
    if "jwks_uri" in said:
        raise Unacceptable("invalid_client_metadata", "jwks and jwks_uri cannot both be there.")
    listed = keys.get("keys") if isinstance(keys, dict) else None
    if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
        raise Unacceptable("invalid_client_metadata", "jwks must be a JSON Web Key Set.")
    if any(key.keys() & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} for key in listed):
        raise Unacceptable("invalid_client_metadata", "jwks holds a key that is not public: replace that key.")
