"""The real clients: how each is started, what it speaks, and what it cannot do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.clients.steps import ANSWERS, Era, Step
from tests.programs import environment, mcp1_python, node, npm_folder, own_python

HERE = Path(__file__).parent
LIMIT_S = 120

Found = Mapping[str, Mapping[str, Any]]
"""What a visit found, by step; `connect` is the first, `end` says why it broke off."""


Pages = Literal["open", "decline", "none"]
"""What the application around a client does with a page that its user is asked to open; `none` knows no questions."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client in one of its modes."""

    name: str
    program: str
    mode: str
    speaks: tuple[Era, ...]
    """Its eras, the one that it prefers first."""

    door: str = "mcp"
    """The last part of the address it connects to."""

    refusal: str = "This API key was revoked"
    """What its user reads when the key is no longer good. The client decides how much of our answer comes through."""

    denial: str = "limited to other servers of Test"
    """What its user reads when the key is good, but not for this server."""

    cannot: Mapping[str, str] = field(default_factory=dict)
    """Steps that it is left out of, each with the reason."""

    def visit(
        self,
        url: str,
        key: str,
        steps: Iterable[Step] = (),
        *,
        pages: Pages = "open",
        sign_in: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Found:
        """Go to `url` with `key`, or with what signing in gives, and do `steps`."""
        asked = [{"name": one.name, "do": one.do, "ask": one.ask} for one in steps]
        order = {"url": url, "key": key, "mode": self.mode, "steps": asked, "answers": ANSWERS, "pages": pages}
        if sign_in is not None:
            order["sign_in"] = sign_in
        command, settings = STARTS[self.program]()
        done = subprocess.run(
            command,
            input=json.dumps(order),
            env={**os.environ, **settings, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return {line["step"]: line["found"] for line in lines}


Start = Callable[[], tuple[Sequence[str | Path], Mapping[str, str]]]


def typescript(program: str) -> Start:
    """Start a program of the TypeScript SDKs."""
    return lambda: (
        [node(), HERE / "typescript" / f"{program}.mjs"],
        {"NPM_FOLDER": str(npm_folder("typescript"))},
    )


STARTS: Mapping[str, Start] = {
    "python1": lambda: ([mcp1_python(), HERE / "python1.py"], {}),
    "python2": lambda: ([own_python(), HERE / "python2.py"], {}),
    "fastmcp": lambda: ([environment("fastmcp") / "python", HERE / "fastmcp4.py"], {}),
    "typescript1": typescript("v1"),
    "typescript2": typescript("v2"),
    "inspector": lambda: (
        [own_python(), HERE / "inspector_cli.py"],
        {"NODE": str(node()), "NPM_FOLDER": str(npm_folder("inspector"))},
    ),
}
"""Each program: its command and the environment variables it needs."""

NOT_TOLD = "this client has no call for resources/subscribe or subscriptions/listen"
NOT_SHOWN = "the command line prints the result alone"
NOT_ANSWERED = "the command line cancels a legacy question and waits for ever at a modern one"
NOT_OFFERED = "the command line has no such method"

FASTMCP_CANNOT = {"changed resource": NOT_TOLD}
FASTMCP_MODERN_CANNOT = {"changed tools": NOT_TOLD, "changed prompts": NOT_TOLD, **FASTMCP_CANNOT}
INSPECTOR_CANNOT = {
    "log level": "each step is a connection of its own, so a level would not last",
    "progress": NOT_SHOWN,
    "logs": NOT_SHOWN,
    "question": NOT_ANSWERED,
    "sampling": NOT_ANSWERED,
    "roots": NOT_ANSWERED,
    "three questions at once": NOT_ANSWERED,
    "question after question": NOT_ANSWERED,
    "state": NOT_ANSWERED,
    "asking prompt": NOT_ANSWERED,
    "completion": NOT_OFFERED,
    "changed tools": NOT_OFFERED,
    "changed prompts": NOT_OFFERED,
    "changed resource": NOT_OFFERED,
    "unknown tool": "the command line looks into the list first and never calls it",
    "unknown resource": "the command line prints the message without its code",
}

FAST = [
    Client("python2-auto", "python2", "auto", ("modern", "legacy")),
    Client("python2-legacy", "python2", "legacy", ("legacy",)),
    Client("python2-modern", "python2", "2026-07-28", ("modern",)),
    # This SDK shows nothing of the body of an HTTP error.
    Client("python1", "python1", "http", ("legacy",), refusal="401 Unauthorized"),
    Client("python1-sse", "python1", "sse", ("legacy",), door="sse", refusal="401 Unauthorized"),
    Client("typescript1", "typescript1", "http", ("legacy",)),
    Client("typescript1-sse", "typescript1", "sse", ("legacy",), door="sse", refusal="Non-200 status code (401)"),
    Client("typescript2-default", "typescript2", "legacy", ("legacy",)),
    # Its probe for the modern era hides the body of a 401 as well.
    Client(
        "typescript2-auto", "typescript2", "auto", ("modern", "legacy"), refusal="requires authorization (HTTP 401)"
    ),
    # Pinned, it takes any error at `server/discover` for a server of before, whatever the error says.
    Client(
        "typescript2-modern",
        "typescript2",
        "2026-07-28",
        ("modern",),
        refusal="requires authorization (HTTP 401)",
        denial="the server did not offer pinned protocol version",
    ),
]
"""SDKs, quick to install and to start."""

HEAVY = [
    Client("fastmcp-auto", "fastmcp", "auto", ("modern", "legacy"), cannot=FASTMCP_MODERN_CANNOT),
    Client("fastmcp-legacy", "fastmcp", "legacy", ("legacy",), cannot=FASTMCP_CANNOT),
    Client("inspector-auto", "inspector", "auto", ("modern", "legacy"), cannot=INSPECTOR_CANNOT),
    Client("inspector-legacy", "inspector", "legacy", ("legacy",), cannot=INSPECTOR_CANNOT),
    Client("inspector-modern", "inspector", "modern", ("modern",), cannot=INSPECTOR_CANNOT),
]
"""Whole programs, 200 MB of them."""
