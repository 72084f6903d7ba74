"""One OAuth client, however it is known, and its secret. Pure."""

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass
from typing import Final, Literal

from gateway_core.access.grants import ClientKind
from gateway_core.issuer import redirects

AuthMethod = Literal["none", "client_secret_post", "client_secret_basic"]
AUTH_METHODS: Final[tuple[AuthMethod, ...]] = ("none", "client_secret_post", "client_secret_basic")
GRANT_TYPES: Final = frozenset({"authorization_code", "refresh_token"})
"""Every client has both: one that never refreshes loses nothing, and not every one that does has said so."""
SECRET_PREFIX: Final = "ghs_"  # noqa: S105 - every secret starts with it
SECRET_LENGTH: Final = 43
"""Characters of 62: 256 bits."""
MAX_NAME: Final = 100
MAX_QUOTED: Final = 40
_ALPHABET: Final = string.ascii_letters + string.digits
_QUOTES: Final = str.maketrans("", "", "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\u00ab\u00bb")


@dataclass(frozen=True, slots=True)
class Client:
    """A program that people let act for them."""

    id: str
    kind: ClientKind
    name: str
    """As it calls itself. Only an administrator vouches for it, or `host`, as far as one trusts that."""
    redirect_uris: tuple[str, ...]
    auth_method: AuthMethod
    secret_hash: str | None = None
    host: str | None = None
    """Host of the metadata document's URL: who vouches for the name."""

    def may_redirect_to(self, uri: str) -> bool:
        """True when a request may name `uri`."""
        return any(redirects.matches(registered, uri) for registered in self.redirect_uris)

    def proves(self, secret: str) -> bool:
        """True when `secret` is this client's."""
        return self.secret_hash is not None and hmac.compare_digest(secret_digest(secret), self.secret_hash)


COMMAND_LINE: Final = Client(
    "gatehouse-cli", "built_in", "Gatehouse command line", ("http://127.0.0.1/callback",), "none"
)
"""`gatehouse login`, at whatever port is free. For the admin API alone."""


def new_secret() -> str:
    """A client secret; shown once, never stored."""
    return SECRET_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))


def secret_digest(secret: str) -> str:
    """SHA-256 of a secret. It is 256 random bits, so no salt or stretching is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def visible(name: str) -> str:
    """A name as a page may show it: what is invisible, or turns the reading direction, becomes U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name).strip()


def quoted(name: str) -> str:
    """A name that nobody vouches for, as one of our own sentences may hold it: short, and between quotes that nothing
    in it ends, so that no words of a stranger read like ours."""
    plain = visible(name).translate(_QUOTES)
    return f"'{plain if len(plain) <= MAX_QUOTED else plain[: MAX_QUOTED - 1] + '…'}'"
