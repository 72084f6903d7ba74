"""The whole programs, each with the key of a person who has to connect an account: what is typed, and what is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from tests.clients.accounts import Somebody
from tests.clients.models import Model, model
from tests.clients.sign_in_programs import (
    CLAUDE_QUIET,
    NAME,
    claude,
    claude_asked,
    claude_code,
    codex,
    codex_asked,
    inspector,
    remote,
)
from tests.clients.terminal import Terminal

TOOL = "write_note"
"""It takes more permission than an account is connected with at first."""
GIVEN = {"words": "hi"}


@dataclass(frozen=True, slots=True)
class Seat:
    """A person at a terminal, with a model for agents."""

    person: Somebody
    terminal: Terminal
    model: Model

    @property
    def header(self) -> str:
        """What lets the program in."""
        return f"Authorization: Bearer {self.person.key}"

    @property
    def answer(self) -> str:
        """How the tool's answer begins."""
        return self.person.name


@contextmanager
def seat(person: Somebody) -> Iterator[Seat]:
    """One with nothing on it yet."""
    with model(NAME, TOOL, **GIVEN) as thinking:
        yield Seat(person, Terminal(person.folder, {**person.environment, "GW_KEY": person.key}), thinking)


Act = Callable[[Seat], str]


@dataclass(frozen=True, slots=True)
class Program:
    """One program; its acts give what it prints."""

    name: str
    call: Act
    """Makes it call the tool."""
    opens: Act
    """Where it shows why it cannot get at the server."""
    enter: Act = lambda _: ""
    """Makes the server known to it."""


def claude_enters(seat: Seat) -> str:
    """Add the server; the key stays where it is."""
    header = "Authorization: Bearer ${GW_KEY}"
    return claude(seat.terminal, "mcp", "add", "--transport", "http", NAME, seat.person.endpoint(), "--header", header)


def claude_on_screen(seat: Seat, dialog: list[tuple[str, bytes]]) -> str:
    """Ask for the call on the screen, as who has used Claude Code here before."""
    file = seat.terminal.home / ".claude.json"
    kept = json.loads(file.read_text())
    kept |= {"hasCompletedOnboarding": True, "theme": "dark"}
    kept["customApiKeyResponses"] = {"approved": ["x"], "rejected": []}
    kept["projects"].setdefault(str(seat.terminal.home), {})["hasTrustDialogAccepted"] = True
    file.write_text(json.dumps(kept))
    backend = {"ANTHROPIC_BASE_URL": seat.model.url, "ANTHROPIC_API_KEY": "x", "TERM": "xterm-256color"}
    asked = (claude_code(), "Call the tool.", "--allowedTools", f"mcp__{NAME}__*")
    return seat.terminal.talk(*asked, dialog=dialog, **CLAUDE_QUIET, **backend)


def codex_enters(seat: Seat) -> str:
    """Add the server."""
    return codex(seat.terminal, "mcp", "add", NAME, "--url", seat.person.endpoint(), "--bearer-token-env-var", "GW_KEY")


def remote_calls(seat: Seat) -> str:
    """Call it from a host that knows stdio alone."""
    return remote(seat.terminal, TOOL, seat.person.endpoint(), "--header", seat.header)


def inspector_calls(seat: Seat, era: str = "auto") -> str:
    """Call it from the command line."""
    tool = ("--tool-name", TOOL, "--tool-arg", f"words={GIVEN['words']}")
    chosen = ("--protocol-era", era, "--stored-auth-only", "--header", seat.header)
    return inspector(seat.terminal, seat.person.endpoint(), *chosen, *tool)


CLAUDE = Program(
    "claude-code",
    lambda seat: claude_asked(seat.terminal, seat.model),
    lambda seat: claude(seat.terminal, "mcp", "list"),
    claude_enters,
)
CODEX = Program(
    "codex",
    lambda seat: codex_asked(seat.terminal, seat.model),
    lambda seat: codex_asked(seat.terminal, seat.model),
    codex_enters,
)
REMOTE = Program("mcp-remote", remote_calls, remote_calls)
INSPECTOR = Program("inspector", inspector_calls, inspector_calls)

_IN_SESSIONS = partial(inspector_calls, era="legacy")
INSPECTOR_LEGACY = Program("inspector-legacy", _IN_SESSIONS, _IN_SESSIONS)

PROGRAMS = [CLAUDE, CODEX, REMOTE, INSPECTOR, INSPECTOR_LEGACY]
