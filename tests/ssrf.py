"""Corpus S1: URLs that somebody hands to the gateway, and what may become of them.

A line has the URL, the answers of the resolver by name, redirects of the site, and the settings it is judged under. Its
verdict is `accept(URL at ADDRESS)`, as it goes on the wire and where it is dialled, or `reject(WORD)`, see `WORDS`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway_core.compose_lean import aws_world, policy
from gateway_core.egress import Policy
from gateway_core.settings import Settings
from tests.internet import Found, Internet, Visit, page

CORPUS = Path(__file__).parent / "corpora" / "ssrf.jsonl"
PUBLIC_URL = "https://gate.example.com"
LAMBDA = {
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_LAMBDA_METADATA_API": "10.9.9.9:9443",
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}
_DEPLOYED: Mapping[str, Any] = {"public_url": PUBLIC_URL, "registry_table": "r", "grants_table": "g"}
SETTINGS: Mapping[str, Settings] = {
    "lambda": Settings(**_DEPLOYED),
    "vpc": Settings(
        egress_allow=("10.0.0.0/8", "100.64.0.0/10", "fd12:3456::/32"), egress_ports=(443, 9443), **_DEPLOYED
    ),
    "wide": Settings(egress_allow=("0.0.0.0/0", "::/0"), **_DEPLOYED),
    "local": Settings(public_url="http://127.0.0.1:8787"),
}
"""What an operator set: nothing, some networks of a VPC, all there is; and the gateway of one machine."""

WORDS = {
    "form": (
        "Write the URL like", "The path of the URL contains", "The port of the URL is larger",
        "The host of the URL is not", "The URL is longer than",
    ),
    "here": ("This machine's own addresses",),
    "scheme": ("The URL must start with https",),
    "port": ("Port ",),
    "loop": ("The URL points back at this gateway",),
    "address": ("This address is not public",),
}  # fmt: skip
"""How the refusals of a URL begin that need no resolver, by the corpus's word for them. Its other words are
`resolved` (the name has an address that is not allowed), `unresolved` (it has none) and `redirect`."""


@dataclass(frozen=True)
class Accepted:
    """Where a request must go, to the byte."""

    address: str
    """The one that is dialled."""
    scheme: str
    host: str
    port: int
    authority: str
    """The Host header."""
    path: str

    @property
    def greeted(self) -> str | None:
        """Whose certificate is asked for: that of the host as it is written."""
        return None if self.scheme == "http" else self.host


@dataclass(frozen=True)
class Case:
    """One line of the corpus."""

    id: str
    url: str
    policy: str
    names: Mapping[str, list[Found]]
    redirects: list[tuple[int, str]]
    """What the site answers with, one after the other."""
    verdict: str
    word: str
    """Why it is refused; "" where it is accepted."""
    accepted: Accepted | None

    @property
    def refused_unseen(self) -> bool:
        """True where the URL itself is enough to refuse it."""
        return self.word in WORDS

    def lead(self, net: Internet, answer: bytes, *, before: Sequence[bytes] = ()) -> None:
        """Make the internet what the case says it is. Its site says what comes `before`, and then redirects, or answers
        `answer`."""
        there = [page(b"", f"{status} Elsewhere", f"location: {to}") for status, to in self.redirects]
        answers = [*before, *(there or [answer])]

        def say(_: Visit) -> bytes:
            return answers.pop(0) if len(answers) > 1 else answers[0]

        net.forget()
        net.answer, net.names = say, {name: list(found) for name, found in self.names.items()}


def word_of(refusal: str) -> str:
    """The corpus's word for a refusal."""
    [word] = [word for word, beginnings in WORDS.items() if refusal.startswith(beginnings)]
    return word


def _case(line: Mapping[str, Any]) -> Case:
    given, verdict = line["input"], line["verdict"]
    kind, _, rest = verdict.removesuffix(")").partition("(")
    accepted = _accepted(rest) if kind == "accept" else None
    return Case(
        id=line["id"],
        url=given["url"],
        policy=given.get("policy", "lambda"),
        names=given.get("names", {}),
        redirects=given.get("redirects", []),
        verdict=verdict,
        word="" if accepted else rest,
        accepted=accepted,
    )


def _accepted(text: str) -> Accepted:
    url, _, address = text.partition(" at ")
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    path = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
    return Accepted(address, parts.scheme, parts.hostname or "", port, parts.netloc, path)


@cache
def cases() -> tuple[Case, ...]:
    """All of them."""
    lines = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    inputs = {json.dumps(line["input"], sort_keys=True) for line in lines}
    assert len(inputs) == len(lines) >= 240, "a case is there twice, or some are missing"
    assert all(line.keys() == {"id", "input", "verdict", "source"} for line in lines)
    return tuple(_case(line) for line in lines)


@cache
def policy_of(word: str) -> Policy:
    """The policy under which a case is judged, as the gateway makes it of its settings."""
    settings = SETTINGS[word]
    return policy(settings) if settings.local else aws_world(settings, LAMBDA).policy


def hosts() -> set[str]:
    """Whom the site must have a certificate for."""
    found = {urlsplit(case.url).hostname or "" for case in cases() if case.redirects}
    for case in cases():
        found |= set(case.names) | ({case.accepted.host} if case.accepted else set())
    return found
