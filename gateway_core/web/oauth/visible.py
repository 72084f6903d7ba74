"""Text of other people, fit to be shown: nothing in it can hide, turn the line around or run for pages. Pure."""

import re
import unicodedata
from typing import Any, Final

from markupsafe import Markup

MAX_SHOWN: Final = 500
"""Characters of one foreign text on a page."""
MAX_MARKS: Final = 3
"""Combining marks on one letter; more of them paint over the lines above and below."""
_PLAIN_SPACES: Final = re.compile(r"[\t\r\n ]+")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def visible(text: str, limit: int = MAX_SHOWN) -> str:
    """`text` with control, direction and other unseen characters spelled out, e.g. `⟨U+202E⟩`, and not over `limit`."""
    shown: list[str] = []
    marks = 0
    for letter in _PLAIN_SPACES.sub(" ", text[: limit + 1]):
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        hidden = unicodedata.category(letter) in _HIDDEN or marks > MAX_MARKS
        shown.append(f"⟨U+{ord(letter):04X}⟩" if hidden else letter)
    if len(text) > limit:
        shown[limit:] = ["…"]
    return "".join(shown)


def finalize(value: Any) -> Any:
    """What Jinja calls for every expression of a template: text goes out visible, markup of ours as it is."""
    if isinstance(value, Markup):
        return value
    return visible(value) if isinstance(value, str) else value
