"""Queries and form bodies, read strictly: what two parsers could read in two ways is refused. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway_core.errors import OAuthError
from gateway_core.headers import Headers
from gateway_core.protocol.header_values import quotable

MAX_BYTES: Final = 16 * 1024
"""Of a query or a form. The largest seen in the field has 3 KB."""
MAX_PAIRS: Final = 64
FORM: Final = "application/x-www-form-urlencoded"
_ENCODED: Final = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
"""ASCII without spaces, every `%` followed by two hexadecimal digits."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Form:
    """Parameters by name. One without a value counts as left out (RFC 6749, section 3.1)."""

    values: dict[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str | None:
        """The value of `name`, or None."""
        return self.values.get(name)


def read_query(text: str) -> Form:
    """The parameters of a query string.

    Raises:
        OAuthError: invalid_request. It cannot be read in exactly one way.
    """
    return _form(_pairs(text))


def read_form(headers: Headers, body: bytes) -> Form:
    """The parameters of a form body.

    Raises:
        OAuthError: invalid_request. Not a form, not readable in exactly one way, or a parameter other than `resource`
            came twice.
    """
    kind = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind != FORM or "content-type" in headers.repeated:
        raise _bad(f"Send the parameters as a form: Content-Type: {FORM}.")
    try:
        form = _form(_pairs(body.decode("ascii")))
    except UnicodeDecodeError:
        raise _bad("The form holds bytes that must be percent-encoded.") from None
    # RFC 8707, section 2, lets `resource` come more than once; how many we take is for who reads it.
    twice = form.repeated - {"resource"}
    if twice:
        raise _bad(f"The parameter {quotable(min(twice))[:40]} came more than once.")
    return form


def known(form: Form, names: frozenset[str]) -> Form:
    """Only the parameters in `names`: what is not known is ignored (RFC 6749, section 3.1), repeated or not."""
    return Form({name: text for name, text in form.values.items() if name in names}, form.repeated & names)


def _pairs(text: str) -> list[tuple[str, str]]:
    if len(text) > MAX_BYTES:
        raise _bad(f"The parameters are longer than {MAX_BYTES:,} bytes.")
    if not _ENCODED.fullmatch(text):
        raise _bad("The parameters hold a character that must be percent-encoded.")
    parts = [part for part in text.split("&") if part]
    if len(parts) > MAX_PAIRS:
        raise _bad(f"There are more than {MAX_PAIRS} parameters.")
    return [(_decoded(name), _decoded(value)) for name, _, value in (part.partition("=") for part in parts)]


def _decoded(text: str) -> str:
    try:
        plain = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise _bad("A parameter is not UTF-8.") from None
    if _CONTROL.search(plain):
        raise _bad("A parameter holds a control character.")
    return plain


def _form(pairs: Sequence[tuple[str, str]]) -> Form:
    counts = Counter(name for name, _ in pairs)
    repeated = frozenset(name for name, count in counts.items() if count > 1)
    return Form({name: value for name, value in pairs if value}, repeated)


def _bad(words: str) -> OAuthError:
    return OAuthError("invalid_request", words)
