"""Answers of token endpoints, read (RFC 6749, sections 5.1 and 5.2). Pure: a refusal is a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway_core import json_text
from gateway_core.errors import BadRequest
from gateway_core.protocol.challenges import scopes_among

MAX_TOKEN: Final = 16_384
"""Characters of a token. Those that list groups have 7 000; no server takes a header of more."""
MAX_LIFE_S: Final = 10 * 365 * 86_400
"""Ten years: longer lives than that are said where none is meant."""
MAX_WORDS: Final = 200
"""Characters that are repeated of what an authorization server says about an error."""
MAX_RETRY_AFTER_S: Final = 300
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
"""RFC 6749, appendix A.12, less the space, which a header could not carry at its end."""
_CODE: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}")
"""RFC 6749, section 5.2."""
_GRANT_ENDED: Final = frozenset({"invalid_grant", "bad_refresh_token", "invalid_refresh_token"})
"""The standard's own word, GitHub's and Slack's."""
_LATER: Final = frozenset({"server_error", "temporarily_unavailable", "slow_down"})
"""Errors that pass (RFC 6749, section 4.1.2.1, which some answer here, too; RFC 8628, section 3.5)."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    """None: the one before stays good (RFC 6749, section 6)."""
    expires_in: int | None
    """Seconds; None where it was not told."""
    scopes: tuple[str, ...] | None
    """None: as asked (RFC 6749, section 5.1)."""
    told: Mapping[str, Any] = field(repr=False)
    """The whole answer."""


@dataclass(frozen=True, slots=True)
class InvalidGrant:
    """The code or refresh token is not good any more: asking again does not help."""

    told: str


@dataclass(frozen=True, slots=True)
class InvalidClient:
    """The gateway's client is not known, or did not prove itself."""

    told: str


@dataclass(frozen=True, slots=True)
class OtherRefusal:
    """Refused for another reason, which somebody who administers the server has to mend."""

    error: str
    told: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nothing was sent."""

    told: str


@dataclass(frozen=True, slots=True)
class ServerError:
    """No usable answer: whether the grant was spent is unknown."""

    told: str
    retry_after_s: int = 0


TokenRefusal = InvalidGrant | InvalidClient | OtherRefusal | Unreachable | ServerError
"""`told` is for people, without a full stop's worth of secrets: what was sent is never repeated in it."""
TokenAnswer = Granted | TokenRefusal


def read_answer(status: int, headers: Mapping[str, str], body: bytes, *, sent: frozenset[str]) -> TokenAnswer:
    """What an HTTP answer of a token endpoint says.

    Args:
        status: Of the answer.
        headers: Names in lower case.
        body: Bounded.
        sent: Secrets of the request, which no words may hold.
    """
    if status >= 500 or status in (408, 425, 429):
        return ServerError(f"It answered HTTP {status}.", _retry_after(headers))
    answer = _object(body)
    if answer is not None and isinstance(answer.get("error"), str):
        # Some answer errors with a 200, GitHub and Slack among them.
        return _refusal(answer, sent, headers)
    if 300 <= status < 400:
        return OtherRefusal("redirects", f"It redirects to another address (HTTP {status}), which is not followed.")
    if status >= 400:
        return OtherRefusal(f"http_{status}", f"It answered HTTP {status} and did not say why.")
    return ServerError("Its answer could not be read.") if answer is None else _granted(answer)


def _granted(answer: Mapping[str, Any]) -> TokenAnswer:
    token, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        # A token of a kind that is not understood must not be used (RFC 6749, section 7.1).
        return OtherRefusal("token_type", "It gave a token of another kind than Bearer, which cannot be used.")
    if not _usable(token):
        return ServerError("Its answer holds no usable token.")
    refresh, scope = answer.get("refresh_token"), answer.get("scope")
    return Granted(
        access_token=str(token),
        refresh_token=str(refresh) if _usable(refresh) else None,
        expires_in=expires_in(answer.get("expires_in")),
        scopes=scopes_among(scope.split()) if isinstance(scope, str) else None,
        told=answer,
    )


def expires_in(told: object) -> int | None:
    """Seconds that a token lives, however they are written: 3600, 3600.0, "3600". None for anything else: it was not
    told, or means that it does not end."""
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) <= 12:
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told <= MAX_LIFE_S:
        return None
    return int(told)


def _refusal(answer: Mapping[str, Any], sent: frozenset[str], headers: Mapping[str, str]) -> TokenRefusal:
    error = answer["error"] if _CODE.fullmatch(answer["error"]) else "unreadable_error"
    words = public_words(answer.get("error_description"), sent)
    told = f"It says {error}: {words}" if words else f"It says {error}."
    if error in _GRANT_ENDED:
        return InvalidGrant(told)
    if error == "invalid_client":
        return InvalidClient(told)
    return ServerError(told, _retry_after(headers)) if error in _LATER else OtherRefusal(error, told)


def public_words(text: object, sent: frozenset[str]) -> str:
    """What an authorization server says, as one sentence for people; empty where it repeats what nobody may see."""
    if not isinstance(text, str) or any(secret in text for secret in sent):
        return ""
    words = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * MAX_WORDS]).split())
    words = words[:MAX_WORDS].rstrip(". ")
    return words if words.endswith(("?", "!", "…")) or not words else f"{words}."


def _usable(token: object) -> bool:
    return isinstance(token, str) and len(token) <= MAX_TOKEN and _TOKEN.fullmatch(token) is not None


def _retry_after(headers: Mapping[str, str]) -> int:
    told = headers.get("retry-after", "")
    return min(int(told), MAX_RETRY_AFTER_S) if told.isascii() and told.isdigit() and len(told) < 9 else 0


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        found = json_text.parse(body)
    except BadRequest:
        return None
    return found if isinstance(found, dict) else None
