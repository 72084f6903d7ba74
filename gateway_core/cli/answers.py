"""What a gateway answers, fit to be printed: a strange one must not steer the terminal that shows its words. Pure."""

import json
import unicodedata
from typing import Any


def read_answer(body: bytes) -> Any:
    """The JSON value of a body, its text without control characters.

    Raises:
        ValueError: It is no JSON, or nested too deeply to be an answer of ours.
    """
    try:
        return _shown(json.loads(body))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shown(text: str) -> str:
    """`text` with a replacement character for whatever steers a terminal or turns its letters round."""
    return "".join("\ufffd" if _steers(char) else char for char in text)


def sendable(text: str) -> bool:
    """True for a credential that a header can hold."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if isinstance(value, dict):
        return {shown(name): _shown(each) for name, each in value.items()}
    return value


def _steers(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
