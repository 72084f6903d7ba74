"""What a secret may be called and how much it may hold, wherever it is kept. Pure."""

import re
from typing import Final

from gateway_core.errors import Invalid

MAX_VALUE_BYTES: Final = 8 * 1024
"""A value in UTF-8. Long enough for a private key with its chain; Secrets Manager takes 64 KB."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def named(name: str) -> bool:
    """True when a secret may have this name."""
    return _NAME.fullmatch(name) is not None


def check_secret(name: str, value: str) -> None:
    """Raises `Invalid` when a secret may not have this name or hold this value. The message never holds the value."""
    if not named(name):
        raise Invalid("A secret's name has 1 to 63 characters: a-z, 0-9, - and _, the first a letter or digit.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid(f"The value of the secret {name} is no text.") from None
    if not 0 < size <= MAX_VALUE_BYTES:
        raise Invalid(f"The secret {name} takes {size} bytes; a value has 1 to {MAX_VALUE_BYTES} (8 KB).")
