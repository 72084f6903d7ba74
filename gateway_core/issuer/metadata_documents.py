"""Client ID Metadata Documents: a client whose id is the URL of a document about it. Pure.

draft-ietf-oauth-client-id-metadata-document-00, and the MCP authorization specification, 2026-07-28. Such a client has
no secret: it is who its URL says because only there its redirect URIs are written.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway_core.issuer import client_metadata
from gateway_core.issuer.client import Client
from gateway_core.issuer.client_metadata import Unacceptable

MAX_URL: Final = 500
_URL: Final = re.compile(
    r"https://((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)"
    r"(?::([1-9][0-9]{0,4}))?(/(?:[A-Za-z0-9._~:@!$&'()*+,;=/-]|%[0-9A-Fa-f]{2})*)"
    r"(\?(?:[A-Za-z0-9._~:@!$&'()*+,;=/?-]|%[0-9A-Fa-f]{2})*)?"
)
_DOTS: Final = re.compile(r"(?:\.|%2[Ee]){1,2}")


def is_document_url(client_id: str) -> bool:
    """True for a Client Identifier URL (section 3): https, a path, no user, fragment or dot segment."""
    parts = _URL.fullmatch(client_id)
    if parts is None or len(client_id) > MAX_URL or int(parts[2] or 443) > 65535:
        return False
    # An address proves nobody's name; only names have certificates that mean somebody.
    if parts[1].rpartition(".")[2].isdigit():
        return False
    return not any(_DOTS.fullmatch(segment) for segment in parts[3].split("/"))


def client_of(url: str, document: Mapping[str, Any]) -> Client:
    """The client that the document fetched from `url` describes.

    Raises:
        Unacceptable: It describes none that could sign in here.
    """
    # Compared as strings, never normalised (section 4, RFC 3986 section 6.2.1).
    if document.get("client_id") != url:
        raise Unacceptable("invalid_client", "its client_id is not the URL that it was fetched from")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise Unacceptable("invalid_client", "it holds a client secret, which everybody can read there")
    _check_method(document)
    client_metadata.check_keys(document)
    client_metadata.check_code_flow(document)
    name = client_metadata.name(document)
    if not name:
        raise Unacceptable("invalid_client", "it has no client_name")
    uris = client_metadata.redirect_uris(document)
    client_metadata.check_shown_uris(document)
    return Client(url, "metadata_document", name, uris, "none", host=host_of(url))


def host_of(url: str) -> str:
    """The host (and port, where it names one) of a Client Identifier URL, in lower case."""
    return url.removeprefix("https://").partition("/")[0].lower()


def _check_method(document: Mapping[str, Any]) -> None:
    """`none`, which is also what leaving it out means; or a choice that has `none` in it, as ChatGPT's.

    A secret could not be secret (section 4.1), and keys of clients are not looked at here.
    """
    method = document.get("token_endpoint_auth_method", "none")
    choice = document.get("token_endpoint_auth_methods_supported", [])
    if not isinstance(method, str) or not isinstance(choice, list):
        raise Unacceptable("invalid_client", "it does not say in words how the client authenticates")
    if method.startswith("client_secret"):
        raise Unacceptable("invalid_client", "it says that the client has a secret, which cannot be")
    if method != "none" and "none" not in choice:
        raise Unacceptable("invalid_client", f"the client can only authenticate by {method[:40]!r}, not without keys")
