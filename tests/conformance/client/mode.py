"""The official suite's `client` mode, with the gateway as the client.

One gateway for all scenarios; each gets a server entry, so that accounts are connected anew, and a visit of a member.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from gateway_core.local.data_folder import ADMIN_KEY_FILE
from tests.conformance.client import command
from tests.conformance.client.cells import ClientCell, Era
from tests.conformance.client.judging import ClientJudged
from tests.conformance.client.person import Person
from tests.conformance.client.scenarios import Outcome, Scenario, handed
from tests.conformance.client.unfit import of, read_unfit
from tests.conformance.client.visit import Visit, words
from tests.conformance.verdicts import LIMIT_S, Run, requirements, run_mode
from tests.gateway_process import WORKSPACE, Gateway, gateway_beside
from tests.processes import START_S

DOCUMENT = "https://conformance-test.local/client-metadata.json"
"""The one document that the suite's authorization servers take for a client's; none of them fetches it."""

MEMBERS = 4
"""Visits at a time, each by another one. The suite starts all of its scenarios together, and measures how long a client
takes in some."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A member with a browser, and with a key for the client."""

    person: Person
    key: str = field(repr=False)


@dataclass
class Stage:
    """A gateway, and the suite's servers that are behind it by now."""

    gateway: Gateway
    api: httpx2.AsyncClient
    era: Era
    free: asyncio.Queue[Caller] = field(default_factory=asyncio.Queue)
    """Members who visit nobody right now."""
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    async def invite(self, email: str) -> Person:
        """A new member, who has closed the browser again."""
        invited = await self._ask("POST", "/members", {"email": email, "workspaces": {WORKSPACE: "member"}})
        person = Person(self.gateway.origin, email)
        await person.join(invited["link"])
        made = await self._ask("POST", "/keys", {"workspace": WORKSPACE, "kind": "user", "subject": email})
        await self.free.put(Caller(person, made["key"]))
        return person

    async def play(self, scenario: Scenario) -> Outcome:
        """Put the scenario's server behind the gateway and visit it."""
        caller = await self.free.get()
        try:
            await self.enter(scenario)
            await Visit(scenario, self.gateway.endpoint(scenario.slug), caller.key, caller.person, self.era).walk()
        except Exception as error:  # noqa: BLE001 - whatever it is belongs into the report
            outcome = Outcome(through=False, said=words(error))
        else:
            outcome = Outcome(through=True, said="all done")
        await self.free.put(caller)
        self.outcomes[scenario.name] = outcome
        return outcome

    async def enter(self, *scenarios: Scenario) -> None:
        """Put servers behind the gateway."""
        for scenario in scenarios:
            if scenario.secret is not None:
                await self._ask("PUT", f"/secrets/{scenario.slug}", {"value": scenario.secret})
        servers = [
            {"slug": one.slug, "url": one.url, "workspaces": [WORKSPACE], "auth": one.auth} for one in scenarios
        ]  # fmt: skip
        config = {"organisation": "Acme", "workspaces": [{"slug": WORKSPACE, "name": "Test"}], "servers": servers}
        await self._ask("POST", "/apply", {"config": config, "prune": False})

    async def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self.changing:
            answer = await self.api.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return dict(answer.json()) if answer.content else {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One scenario over a connection of `command`."""
        outcome = await self.play(handed(await reader.readline()))
        writer.write(json.dumps({"through": outcome.through, "said": outcome.said}).encode() + b"\n")
        await writer.drain()
        writer.close()


async def judge_client(cell: ClientCell, folder: Path) -> ClientJudged:
    """Run one cell; logs and what the suite writes go into `folder`."""
    wanted = await asyncio.to_thread(requirements, cell.revision)
    others = tuple(one["scenario"] for one in wanted["not_scored"] if one["leg"] == "client")
    run, outcomes = await run_client(cell, folder)
    return ClientJudged(cell, tuple(wanted["client"]), others, run, outcomes, of(cell, read_unfit()))


async def run_client(cell: ClientCell, folder: Path) -> tuple[Run, dict[str, Outcome]]:
    """The suite's verdicts, and by scenario how it ended for the client."""
    async with gateway_beside(folder, before=("env", f"CLIENT_METADATA_URL={DOCUMENT}")) as gate:
        bearer = {"authorization": f"Bearer {(gate.data / ADMIN_KEY_FILE).read_text().strip()}"}
        base = f"{gate.origin}/api/v1"
        async with (
            httpx2.AsyncClient(base_url=base, headers=bearer, trust_env=False, timeout=START_S) as api,
            contextlib.AsyncExitStack() as people,
        ):
            stage = Stage(gate, api, cell.era)
            await stage.enter()
            for number in range(MEMBERS):
                people.push_async_exit(await stage.invite(f"member-{number}@example.com"))
            async with await asyncio.start_server(stage.serve, "127.0.0.1", 0) as door:
                port = str(door.sockets[0].getsockname()[1])
                # The suite cuts it at spaces and gives the pieces to a shell, with spaces between them.
                program = shlex.join([sys.executable, "-I", str(Path(command.__file__)), port])
                options = ["client", "--requirements", cell.revision, "--timeout", f"{LIMIT_S * 1000:.0f}"]
                run = await run_mode([*options, "--command", program], folder / "suite")
            return run, stage.outcomes
