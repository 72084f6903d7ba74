"""Words of others as they may be shown: no secret, nothing that does not print, and not without end. Pure."""

import json
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from gateway_core import json_text
from gateway_core.errors import BadRequest

SHOWN_CHARS: Final = 2_048
"""How much of anything is shown: the beginning of a document tells what it is."""
QUOTED_CHARS: Final = 300
"""How much of a URL, or of what a server says, stands within a sentence of ours."""
REMOVED: Final = "(removed)"
PIECE: Final = 8
"""So many characters in a row of a credential that was sent are never shown; shorter ones are not, where they are all
of it."""
_SECRET: Final = re.compile(r"(?:secret|token|password|assertion|credential|key)s?\Z", re.IGNORECASE)
"""Ends of member names whose values are never shown: `client_secret`, not `client_secret_expires_at`."""
_SECRET_TEXT: Final = re.compile(
    r"((?:secret|token|password|assertion|credential|key)s?[\"']?[ \t]*[:=][ \t]*[\"']?)[^\s\"'&,;<>]+"
    r"|(\b(?:bearer|basic)[ \t]+)[A-Za-z0-9._~+/-]{20,}+(?:=++(?![A-Za-z0-9._~+/\"-])|(?!=))",
    re.IGNORECASE,
)
"""The same where the text is no JSON, and anywhere what follows the scheme of an Authorization header."""


def quoted(url: str) -> str:
    """A URL, or what should be one, within a sentence: without its query, in which some servers want keys."""
    return f"'{shortened(without_query(url))}'"


def shortened(text: str) -> str:
    """The beginning of `text`, within a sentence."""
    return text if len(text) <= QUOTED_CHARS else f"{text[:QUOTED_CHARS]}…"


def shown(body: bytes) -> str:
    """The beginning of a body."""
    try:
        text = json.dumps(_without_secrets(json_text.parse(body)), ensure_ascii=False)
    except BadRequest:
        text = body.decode(errors="replace")
    return readable(text)


def readable(text: str) -> str:
    """The beginning of `text`, without what does not print or turns the reading direction, and without what looks like
    a secret."""
    printable = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
    return _without_credentials(printable)[:SHOWN_CHARS]


def without(text: str, credentials: Iterable[str]) -> str:
    """`text` without these, wherever it repeats one or a part of one, in capitals or not."""
    hidden = [False] * len(text)
    for credential in credentials:
        size, small = min(PIECE, len(credential)), credential.lower()
        for at in range(len(text) - size + 1 if size else 0):
            piece = text[at : at + size]
            if piece in credential or piece.lower() in small:
                hidden[at : at + size] = [True] * size
    runs = groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
    return "".join(REMOVED if hides else "".join(letter for letter, _ in run) for hides, run in runs)


def without_query(url: str) -> str:
    """A URL as far as it may be shown."""
    return re.sub(r"\?.+", "?…", url, flags=re.DOTALL)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: REMOVED if _SECRET.search(name) else _without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return _without_credentials(value) if isinstance(value, str) else value


def _without_credentials(text: str) -> str:
    return _SECRET_TEXT.sub(lambda found: f"{found[1] or found[2]}{REMOVED}", text)
