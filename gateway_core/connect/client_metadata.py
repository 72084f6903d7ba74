"""The gateway as a client of other authorization servers: who it says it is. Pure.

It says the same in its metadata document (draft-ietf-oauth-client-id-metadata-document-00) and where it registers
itself (RFC 7591, section 2).
"""

from dataclasses import dataclass
from typing import Any, Final, Self

from gateway_core.egress import names_loopback, parse_url

CALLBACK_PATH: Final = "/oauth/upstream-callback"
"""One for every server, so that whoever enters a client by hand enters one redirect URI."""
DOCUMENT_PATH: Final = "/oauth/client-metadata.json"
SOFTWARE_ID: Final = "f117a290-651a-4424-aa1d-6d2d8cbce919"
"""The same for every gateway, version and server (RFC 7591, section 2)."""
MAX_ORGANISATION: Final = 80
"""Characters of the organisation's name that go into ours: consent pages and stores of others have bounds."""


@dataclass(frozen=True, slots=True)
class OwnClient:
    """The gateway, as authorization servers get to know it."""

    public_url: str
    """Origin under which people reach the gateway."""
    document_url: str | None
    """Where authorization servers can read our metadata document; its URL is our client id. None: nowhere."""

    @classmethod
    def at(cls, public_url: str, document_url: str = "") -> Self:
        """The gateway at `public_url`, with its document where `document_url` (CLIENT_METADATA_URL) says.

        "none" says nowhere. Without a word it is at `DOCUMENT_PATH`, if others can fetch it there: by https, and not
        from an address that for them is their own machine.
        """
        if document_url:
            return cls(public_url, None if document_url == "none" else document_url)
        fetchable = public_url.startswith("https://") and not _on_loopback(public_url)
        return cls(public_url, f"{public_url}{DOCUMENT_PATH}" if fetchable else None)

    @property
    def callback(self) -> str:
        """Our redirect URI."""
        return f"{self.public_url}{CALLBACK_PATH}"

    def metadata(self, organisation: str) -> dict[str, Any]:
        """What we say about ourselves wherever we do."""
        name = "".join(letter for letter in organisation if letter.isprintable())[:MAX_ORGANISATION].strip()
        local = _on_loopback(self.public_url)
        return {
            "client_name": f"Gatehouse ({name})" if name else "Gatehouse",
            # Nobody else can open a page on our loopback address.
            **({} if local else {"client_uri": self.public_url}),
            # 2026-07-28 authorization/client-registration, Application Type and Redirect URI Constraints.
            "application_type": "native" if local else "web",
            "redirect_uris": [self.callback],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "software_id": SOFTWARE_ID,
        }

    def document(self, organisation: str) -> dict[str, Any] | None:
        """Our metadata document, or None where nobody could read it.

        It names no secret and no keys: whoever answers at our callback is us.
        """
        if self.document_url is None:
            return None
        return {
            "client_id": self.document_url,
            **self.metadata(organisation),
            "token_endpoint_auth_method": "none",
        }


def _on_loopback(url: str) -> bool:
    target = parse_url(url)
    return not isinstance(target, str) and names_loopback(target)
