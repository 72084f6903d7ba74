"""Regular expressions that cannot hang: a pattern is an automaton, and each character is looked at once. Pure.

Python's own engine tries every way through a pattern, which for some takes longer than the universe has. Here a pattern
matches a whole text or not, in time proportional to both. There are literals, `.`, classes like `[a-z_]`, `\\d`, `\\w`
and `\\s` (ASCII), groups, `|`, and the repeats `?`, `*`, `+`, `{2}`, `{2,}` and `{2,5}`. There are no back references,
no look-around, no flags, and no anchors, which a whole match has no use for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_PATTERN: Final = 200
"""Characters of a pattern."""
MAX_STATES: Final = 250
"""States of its automaton; `{2,5}` counts five times."""
MAX_TEXT: Final = 256
"""Characters of a text; a longer one matches nothing. With every state alive such a text takes 20 ms."""
MAX_DEPTH: Final = 20
"""Groups in groups."""

_SPECIAL: Final = frozenset("\\.[]()|?*+{}^$")
_ASCII_DIGITS: Final = (("0", "9"),)
_ASCII_WORD: Final = (("a", "z"), ("A", "Z"), ("0", "9"), ("_", "_"))
_ASCII_SPACE: Final = ((" ", " "), ("\t", "\r"))
_NAMED: Final = {"d": _ASCII_DIGITS, "w": _ASCII_WORD, "s": _ASCII_SPACE}


class BadPattern(ValueError):
    """A pattern that is not read here; the message says why."""


@dataclass(frozen=True, slots=True)
class _Set:
    """Characters by ranges."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def has(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) is not self.negated


@dataclass(slots=True)
class _State:
    """Goes to `then` with a character of `takes`; to all of `then` without any where `takes` is None."""

    takes: _Set | None
    then: list[int]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read."""

    states: tuple[_State, ...]
    start: int
    end: int

    def matches(self, text: str) -> bool:
        """True when the whole of `text` matches."""
        if len(text) > MAX_TEXT:
            return False
        alive = self._reached([self.start])
        for character in text:
            alive = self._reached(
                self.states[at].then[0] for at in alive if (takes := self.states[at].takes) and takes.has(character)
            )
            if not alive:
                return False
        return self.end in alive

    def _reached(self, starts: Iterable[int]) -> set[int]:
        """The states that are reached from others without a character."""
        reached: set[int] = set()
        waiting = list(starts)
        while waiting:
            at = waiting.pop()
            if at not in reached:
                reached.add(at)
                if self.states[at].takes is None:
                    waiting.extend(self.states[at].then)
        return reached


@lru_cache(maxsize=256)
def read_pattern(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        BadPattern: It is none, too long, or uses what is not offered.
    """
    if len(text) > MAX_PATTERN:
        raise BadPattern(f"a pattern has at most {MAX_PATTERN} characters")
    return _Reader(text).read()


class _Reader:
    """Recursive descent; every part becomes states with one way in and one way out."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._states: list[_State] = []

    def read(self) -> Pattern:
        start, end = self._alternatives()
        if self._at < len(self._text):
            raise BadPattern(f"there is a {self._text[self._at]!r} without its other half")
        return Pattern(tuple(self._states), start, end)

    def _alternatives(self) -> tuple[int, int]:
        parts = [self._sequence()]
        while self._taken("|"):
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0]
        end = self._state(None)
        for _, last in parts:
            self._states[last].then.append(end)
        return self._state(None, *(first for first, _ in parts)), end

    def _sequence(self) -> tuple[int, int]:
        start = end = self._state(None)
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            begun = self._at
            first, last = self._atom()
            low, high = self._repeat()
            first, last = self._repeated(first, last, low, high, begun)
            self._states[end].then.append(first)
            end = last
        return start, end

    def _repeated(self, first: int, last: int, low: int, high: int | None, begun: int) -> tuple[int, int]:
        """An atom `low` to `high` times (None: without end): it is read again for each time."""
        after = self._at
        if (low, high) == (1, 1):
            return first, last
        start = end = self._state(None)
        skips: list[int] = []
        for number in range(max(low, 1 if high is None else high)):
            if number:
                self._at = begun
                first, last = self._atom()
            if number >= low:
                skips.append(end)
            self._states[end].then.append(first)
            end = last
        out = self._state(None)
        self._states[end].then.append(out)
        if high is None:
            self._states[end].then.append(first)
        for skip in skips:
            self._states[skip].then.append(out)
        self._at = after
        return start, out

    def _repeat(self) -> tuple[int, int | None]:
        found: tuple[int, int | None] = (1, 1)
        for sign, times in (("?", (0, 1)), ("*", (0, None)), ("+", (1, None))):
            if self._taken(sign):
                found = times
                break
        else:
            if not self._taken("{"):
                return found
            found = self._counts()
        if self._at < len(self._text) and self._text[self._at] in "?*+{":
            raise BadPattern("a repeat cannot be repeated; put it into a group")
        return found

    def _counts(self) -> tuple[int, int | None]:
        inside, closed, _ = self._text[self._at :].partition("}")
        low, comma, high = inside.partition(",")
        if not closed or not _number(low) or not (high == "" or (comma and _number(high))):
            raise BadPattern("a number of repeats is written {2}, {2,} or {2,5}; for the sign itself write \\{")
        self._at += len(inside) + 1
        least = int(low)
        most = None if comma and not high else int(high or low)
        if most is not None and (most < least or most == 0):
            raise BadPattern(f"{{{inside}}} is no number of repeats")
        return least, most

    def _atom(self) -> tuple[int, int]:
        sign = self._next("the end")
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._taking(self._class())
        if sign == ".":
            return self._taking(_Set((("\n", "\n"),), negated=True))
        if sign == "\\":
            return self._taking(self._escaped())
        if sign in _SPECIAL:
            hint = "a whole text is matched, so no anchors are needed" if sign in "^$" else "it stands for nothing here"
            raise BadPattern(f"{sign!r}: {hint}; for the sign itself write \\{sign}")
        return self._taking(_Set(((sign, sign),)))

    def _group(self) -> tuple[int, int]:
        if self._taken("?") and not self._taken(":"):
            raise BadPattern("of groups that begin with (? there is only (?:…)")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadPattern(f"groups stand in one another more than {MAX_DEPTH} times")
        found = self._alternatives()
        self._depth -= 1
        if not self._taken(")"):
            raise BadPattern("there is a '(' without its other half")
        return found

    def _escaped(self) -> _Set:
        sign = self._next("a \\")
        if sign.lower() in _NAMED:
            return _Set(_NAMED[sign.lower()], negated=sign.isupper())
        if sign.isascii() and sign.isalnum():
            raise BadPattern(f"\\{sign} is not read here; there are \\d, \\w and \\s")
        return _Set(((sign, sign),))

    def _class(self) -> _Set:
        negated, ranges = self._taken("^"), list[tuple[str, str]]()
        while not self._taken("]"):
            low = self._in_class()
            ranges.extend(low.ranges)
            if self._text[self._at : self._at + 1] == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._in_class()
                ranges[-1] = _range(low, high)
        if not ranges:
            raise BadPattern("a class [] names at least one character")
        return _Set(tuple(ranges), negated)

    def _in_class(self) -> _Set:
        sign = self._next("a class")
        if sign == "\\":
            found = self._escaped()
            if found.negated:
                raise BadPattern("\\D, \\W and \\S cannot stand in a class; begin it with ^")
            return found
        if sign == "[":
            raise BadPattern("for a '[' in a class write \\[")
        return _Set(((sign, sign),))

    def _taking(self, takes: _Set) -> tuple[int, int]:
        end = self._state(None)
        return self._state(takes, end), end

    def _state(self, takes: _Set | None, *then: int) -> int:
        if len(self._states) >= MAX_STATES:
            raise BadPattern("the pattern is too large once its repeats are counted out")
        self._states.append(_State(takes, list(then)))
        return len(self._states) - 1

    def _taken(self, sign: str) -> bool:
        found = self._text.startswith(sign, self._at)
        self._at += len(sign) if found else 0
        return found

    def _next(self, where: str) -> str:
        if self._at >= len(self._text):
            raise BadPattern(f"{where} has nothing behind it")
        self._at += 1
        return self._text[self._at - 1]


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3


def _range(low: _Set, high: _Set) -> tuple[str, str]:
    if len(low.ranges) > 1 or len(high.ranges) > 1 or low.ranges[0][0] != low.ranges[0][1]:
        raise BadPattern("a range in a class goes from one character to another")
    if high.ranges[0][0] != high.ranges[0][1] or low.ranges[0][0] > high.ranges[0][0]:
        raise BadPattern("a range in a class goes from one character to a later one")
    return low.ranges[0][0], high.ranges[0][0]
