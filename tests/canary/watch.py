"""What was heard in the test that runs, the secrets that are known in it, and which of them were heard where."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tests.canary.allowed import ALLOWED
from tests.canary.marks import SHAPES, SHORTEST

Kind = Literal["log", "record", "item", "answer", "header", "output", "file"]
AROUND: Final = 70
"""Bytes of what stands before a secret that are looked at, and shown."""
MOST_HELD: Final = 32 * 2**20
"""Bytes after which what was heard is read at once: tests with thousands of answers need not keep them."""
MOST_KNOWN: Final = 400
"""Known values of one test. One that makes more leaves the later ones to their forms."""

FORM_MEMBERS: Final = frozenset(
    {"client_secret", "code", "code_verifier", "refresh_token", "client_assertion", "subject_token", "token"}
)
"""Parameters of requests to token endpoints that are secrets."""
_WORD: Final = re.compile(rb"[\w-]{%d,}" % SHORTEST)
_COOKIE: Final = re.compile(r"gatehouse[\w-]*=([\w-]{43})")


class Heard(NamedTuple):
    """Something that was written or said."""

    kind: Kind
    where: str
    text: bytes


class Leak(NamedTuple):
    """A secret where none may be. Holds nothing of it."""

    kind: Kind
    where: str
    what: str
    before: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.what} after …{self.before!r}"


@dataclass
class Watch:
    """One is there for the whole process: `WATCH`."""

    heard: list[Heard] = field(default_factory=list)
    known: dict[bytes, str] = field(default_factory=dict)
    found: list[Leak] = field(default_factory=list)
    _held: int = 0

    def hear(self, kind: Kind, where: str, text: bytes | str) -> None:
        """Take down what was written or said."""
        given = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        if given:
            self.heard.append(Heard(kind, where, given))
            self._held += len(given)
        if self._held > MOST_HELD:
            self._read()

    def know(self, what: str, value: str | bytes | None) -> None:
        """From now on `value` is a secret, in what was heard before as well."""
        given = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value or b""
        if len(given) >= SHORTEST and len(self.known) < MOST_KNOWN:
            self.known.setdefault(given, what)

    def hear_answer(self, asked: str, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Take down an answer of a gateway; `asked` is method and path of the request."""
        where = f"{asked} {status}"
        self.hear("answer", where, body)
        for name, value in headers:
            match name.lower():
                case "set-cookie":
                    self.know_cookies(value)
                case "mcp-session-id":
                    self.know("the id of a session", value)
                case _:
                    self.hear("header", f"{where} {name.lower()}", value)

    def know_cookies(self, text: str) -> None:
        """The cookies in a Cookie or Set-Cookie header are secrets."""
        for value in _COOKIE.findall(text):
            self.know("a cookie", value)

    def hear_command(self, arguments: Sequence[str], said: str) -> None:
        """Take down what the command line said; of what it was asked, the command alone."""
        self.hear("output", f"gatehouse {' '.join(arguments[:2])}", said)

    def know_form(self, fields: Mapping[str, str]) -> None:
        """What a client sent to a token endpoint holds secrets."""
        for name in FORM_MEMBERS & fields.keys():
            self.know(f"a {name}", fields[name])

    def leaks(self) -> list[Leak]:
        """All leaks since this was last asked, each place once; then everything is forgotten."""
        self._read()
        found = list(dict.fromkeys(self.found))
        self.found.clear()
        self.known.clear()
        return found

    def _read(self) -> None:
        for each in self.heard:
            self.found += self._leaks_in(each)
        self.heard.clear()
        self._held = 0

    def _leaks_in(self, heard: Heard) -> Iterator[Leak]:
        for what, start in self._secrets_in(heard.text):
            before = heard.text[max(0, start - AROUND) : start]
            if not any(one.covers(heard.kind, heard.where, what, before) for one in ALLOWED):
                where = self._without_secrets(heard.where.encode("utf-8", "replace"))
                yield Leak(heard.kind, where, what, self._without_secrets(before))

    def _secrets_in(self, text: bytes) -> Iterator[tuple[str, int]]:
        for shape in SHAPES:
            if shape.hint in text:
                yield from ((shape.name, found.start()) for found in shape.form.finditer(text))
        # Nearly all secrets are one word, and few texts hold many that are so long.
        words = b"\n".join(_WORD.findall(text))
        for value, what in self.known.items():
            start = text.find(value) if value in words or not _WORD.fullmatch(value) else -1
            while start >= 0:
                yield what, start
                start = text.find(value, start + len(value))

    def _without_secrets(self, text: bytes) -> str:
        for shape in SHAPES:
            text = shape.form.sub(b"[secret]", text)
        for value in self.known:
            text = text.replace(value, b"[secret]")
        # A secret that is cut off at the edge has no form any more.
        return re.sub(r"[\w-]{24,}", "[…]", text.decode("utf-8", "replace"))


WATCH: Final = Watch()
