"""Where a browser goes after sign-in: a page of this gateway and no other. Pure."""

import re
from typing import Final

HOME: Final = "/oauth/account"
MAX_PATH: Final = 16_384
"""Characters: an authorization request with a long state and a long redirect URI has about two thousand."""
_PATH: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""One slash, then visible ASCII but no backslash: browsers read `//a`, `/\\a` and `/<tab>/a` as other sites."""


def local_path(text: str | None) -> str:
    """`text` where it is a path (with query) of this gateway, else the page of the member's own account."""
    return text if text and len(text) <= MAX_PATH and _PATH.fullmatch(text) else HOME
