"""The official suite's `authorization` mode against the gateway's own authorization server, once per way to be known.

The suite prints a link and waits for a person with a browser; here that person needs no screen. This mode belongs to
no requirement set, so every verdict counts, a recommendation too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.clients.browser import PASSWORD, Browser
from tests.conformance.verdicts import LIMIT_S, Run, package, read_run
from tests.gateway_process import Gateway, gateway
from tests.processes import free_port
from tests.programs import node

SCENARIOS = ("authorization-server-metadata-endpoint", "authorization-code-grant")
"""What the mode must give verdicts on; one that it adds is judged too."""

CLAUDE_CODE = "https://claude.ai/oauth/claude-code-client-metadata"
"""A copy of this document comes with the gateway."""

NO_NETWORK = ("env", "EGRESS_PORTS=8443")
"""Documents on the web have port 443, so that the copy must do."""

SETUP_LINK = re.compile(r"http://\S+/oauth/setup\?token=\S+")
LINK = re.compile(r"http://\S+/authorize\?\S+")

Known = Literal["registered", "introduced", "document"]
"""How the gateway knows the client: an administrator entered it, it introduced itself (RFC 7591), by its document."""


@dataclass(frozen=True, slots=True)
class AuthorizationCell:
    """The mode with a client that is known in one of the ways, asking for one server or for none by name."""

    known: Known
    names_resource: bool

    def __str__(self) -> str:
        return f"authorization:{self.known}"


AUTHORIZATION_CELLS = (
    AuthorizationCell("registered", names_resource=False),
    AuthorizationCell("introduced", names_resource=True),
    AuthorizationCell("document", names_resource=False),
)


@dataclass(frozen=True, slots=True)
class AuthorizationJudged:
    """A cell that was run."""

    cell: AuthorizationCell
    run: Run

    def complaints(self) -> list[str]:
        """Everything that is not as expected; empty when all is well."""
        scenarios = sorted({*SCENARIOS, *(one.scenario for one in self.run.checks)})
        lines = ["the suite did not end"] if self.run.cut_off else []
        lines += [f"no verdict {name}" for name in self.run.missing(scenarios)]
        failed = self.run.failures(scenarios)
        return lines + [f"{one.status:8} {one.scenario}  {one.id}  {self.run.told(one)}" for one in failed]

    def report(self) -> str:
        """The result in one line, and what did not pass."""
        complaints = self.complaints()
        passed = sum(times for one, times in self.run.checks.items() if one.status == "SUCCESS")
        first = f"{self.cell!s:24} {passed}/{self.run.checks.total()} passed  {'AMISS' if complaints else 'ok'}"
        return "\n".join([first, *(f"    {line}" for line in complaints)])


async def judge_authorization(cell: AuthorizationCell, folder: Path) -> AuthorizationJudged:
    """Run one cell; logs and what the suite writes go into `folder`."""
    with gateway(folder, before=NO_NETWORK) as gate:
        port = free_port()
        client_id = await asyncio.to_thread(CLIENT_ID[cell.known], gate, f"http://127.0.0.1:{port}/callback")
        options = ["--url", gate.origin, "--client-id", client_id, "--port", str(port)]
        if cell.names_resource:
            options += ["--resource", f"{gate.origin}/demo-team/demo/mcp"]
        with contextlib.closing(Browser(gate.origin, "ana@example.com")) as owner:
            await asyncio.to_thread(become_owner, gate, owner)
            return AuthorizationJudged(cell, await run_authorization(options, owner, folder / "suite"))


def become_owner(gate: Gateway, owner: Browser) -> None:
    """Open the set-up link of a new gateway."""
    link = SETUP_LINK.search((gate.data.parent / "gateway.log").read_text())
    assert link is not None
    owner.enter(link[0], "/oauth/setup", name="Ana Ruiz", email=owner.email, password=PASSWORD)


async def run_authorization(options: Sequence[str], person: Browser, folder: Path) -> Run:
    """Run the mode and let `person` open the link that it prints."""
    command: list[str | Path] = [node(), package() / "dist" / "index.js", "authorization", *options]
    log = folder.with_suffix(".log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *command, "--output-dir", folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        with log:
            async with asyncio.timeout(LIMIT_S):
                async for line in process.stdout:
                    log.write(line)
                    if (link := LINK.search(line.decode())) is not None:
                        await asyncio.to_thread(person.visit, link[0])
                await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        return read_run(folder, cut_off=True)
    return read_run(folder)


def registered(gate: Gateway, redirect_uri: str) -> str:
    """A client that an administrator entered, with another port than the one it will use (RFC 8252, section 7.3)."""
    assert redirect_uri.endswith("/callback")
    told = gate.gatehouse("clients", "create", "Suite", "--redirect-uri", "http://127.0.0.1/callback")
    found = re.search(r"client_id\s+(\S+)", told)
    assert found is not None, told
    return found[1]


def introduced(gate: Gateway, redirect_uri: str) -> str:
    """A client that introduced itself."""
    metadata = json.dumps({"client_name": "Suite", "redirect_uris": [redirect_uri]}).encode()
    kind = {"content-type": "application/json"}
    request = urllib.request.Request(f"{gate.origin}/register", metadata, kind, method="POST")
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        return str(json.load(answer)["client_id"])


CLIENT_ID = {"registered": registered, "introduced": introduced, "document": lambda *_: CLAUDE_CODE}
