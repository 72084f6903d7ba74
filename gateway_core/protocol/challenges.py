"""Challenges: what a server asks for in WWW-Authenticate (RFC 9110, section 11.6.1). Pure.

Never fails: what cannot be read is left out, and the rest still counts. The field is read from left to right, so that
what stands between quotes is never taken for a parameter or another challenge.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_SCOPES: Final = 100
"""Of one challenge or document. The longest list seen has 40; more would not fit into the URL of a log-in page."""

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # noqa: S105 - the grammar of a name
_GAP: Final = re.compile(r"[ \t\r\n,]*+")
"""Between two parts. A comma belongs there; some servers write a space alone."""
_SCHEME: Final = re.compile(_TOKEN)
_NAME: Final = re.compile(rf"({_TOKEN})[ \t]*+=[ \t]*+")
_QUOTED: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_BARE: Final = re.compile(r'[^ \t\r\n,"]++')
"""A value without quotes. The grammar allows a token; some servers write URLs."""
_TOKEN68: Final = re.compile(r"[ \t]++([A-Za-z0-9\-._~+/]++=*+)[ \t]*+(?=,|\Z)")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")
"""RFC 6749, section 3.3."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: a scheme with parameters or, instead of those, one token."""

    scheme: str
    """In lower case."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case. One that is there twice with different values is left out: which is meant, nobody can
    say."""
    token: str | None = None
    """What stands in place of parameters (token68)."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """What `scope` lists (RFC 6750, section 3); empty where it lists nothing."""
        return scopes_among(self.parameters.get("scope", "").split(" "))


def read_challenges(text: str) -> tuple[Challenge, ...]:
    """Every challenge of a WWW-Authenticate field, in order; several fields are joined by commas (RFC 9110, 5.3)."""
    drafts: list[_Draft] = []
    at = 0
    while (at := _after(_GAP, text, at)) < len(text):
        name = _NAME.match(text, at)
        if name is not None:
            value, at = _value(text, name.end())
            if drafts and value is not None:
                drafts[-1].say(name[1].lower(), value)
            continue
        scheme = _SCHEME.match(text, at)
        if scheme is None:
            _, at = _value(text, at)
            continue
        token = _TOKEN68.match(text, scheme.end())
        drafts.append(_Draft(scheme[0].lower(), None if token is None else token[1]))
        at = (token or scheme).end()
    return tuple(draft.finished() for draft in drafts)


def bearer(text: str | None) -> Challenge | None:
    """The Bearer challenge of a WWW-Authenticate field: of several, the first that says where its metadata is
    (`resource_metadata`, RFC 9728 section 5.1), else the first."""
    found = [challenge for challenge in read_challenges(text or "") if challenge.scheme == "bearer"]
    return next((one for one in found if "resource_metadata" in one.parameters), found[0] if found else None)


def scopes_among(words: Iterable[object]) -> tuple[str, ...]:
    """Those of `words` that are scopes, each once, at most `MAX_SCOPES`."""
    found = (word for word in words if isinstance(word, str) and _SCOPE.fullmatch(word))
    return tuple(dict.fromkeys(found))[:MAX_SCOPES]


@dataclass(slots=True, eq=False, repr=False)
class _Draft:
    scheme: str
    token: str | None
    said: dict[str, set[str]] = field(default_factory=dict)

    def say(self, name: str, value: str) -> None:
        self.said.setdefault(name, set()).add(value)

    def finished(self) -> Challenge:
        sure = {name: next(iter(values)) for name, values in self.said.items() if len(values) == 1}
        return Challenge(self.scheme, sure, self.token)


def _value(text: str, at: int) -> tuple[str | None, int]:
    """The value at `at` and where it ends. None, at the end of everything, for a quote that is never closed: whatever
    follows it may be part of the value."""
    if text.startswith('"', at):
        quoted = _QUOTED.match(text, at)
        return (None, len(text)) if quoted is None else (re.sub(r"\\(.)", r"\1", quoted[1], flags=re.S), quoted.end())
    bare = _BARE.match(text, at)
    return (bare[0], bare.end()) if bare is not None else ("", at)


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()
