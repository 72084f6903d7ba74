"""A cell of the matrix: one client with one kind of upstream, through a gateway or directly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import Client
from tests.clients.steps import LIVE_S, NEWEST, Era, Kind, Step, steps
from tests.gateway_process import WORKSPACE, Gateway, gateway
from tests.processes import conformance_server

KINDS: tuple[Kind, ...] = ("dual", "legacy", "modern", "sse")

SLUGS: dict[Kind, str] = {kind: f"{kind}-only" for kind in KINDS}

SERVER = """\
organisation: Acme
workspaces:
  - {{slug: {workspace}, name: Test}}
servers:
  - {{slug: {slug}, name: {slug}, url: "{url}", transport: auto, auth: {{type: none}}, workspaces: [{workspace}]}}
"""
"""The gateway finds out by itself what an upstream speaks."""


@dataclass
class Place:
    """A gateway and the upstreams behind it, each started when it is first asked for."""

    folder: Path
    running: ExitStack
    upstreams: dict[Kind, str] = field(default_factory=dict)
    served: set[Kind] = field(default_factory=set)

    @cached_property
    def gateway(self) -> Gateway:
        """The gateway, running."""
        return self.running.enter_context(gateway(self.folder))

    @cached_property
    def key(self) -> str:
        """A key for everything."""
        return self.gateway.key()

    def upstream(self, kind: Kind) -> str:
        """The address of an upstream itself."""
        if kind not in self.upstreams:
            self.upstreams[kind] = self.running.enter_context(conformance_server(self.folder, kind))
        return self.upstreams[kind]

    def endpoint(self, kind: Kind, door: str) -> str:
        """The address of an upstream at the gateway."""
        if kind not in self.served:
            file = self.folder / f"{kind}.yaml"
            file.write_text(SERVER.format(workspace=WORKSPACE, slug=SLUGS[kind], url=self.upstream(kind)))
            self.gateway.gatehouse("apply", "-f", str(file))
            self.served.add(kind)
        return f"{self.gateway.origin}/{WORKSPACE}/{SLUGS[kind]}/{door}"


def through(clients: Sequence[Client]) -> pytest.MarkDecorator:
    """Every client with every kind of upstream."""
    cells = [pytest.param(client, kind, id=f"{client.name}-to-{kind}") for client in clients for kind in KINDS]
    return pytest.mark.parametrize(("client", "kind"), cells)


def direct(clients: Sequence[Client]) -> pytest.MarkDecorator:
    """Every client with the upstreams that it can reach without a gateway."""
    cells = [
        pytest.param(client, kind, id=f"{client.name}-to-{kind}")
        for client in clients
        for kind in KINDS
        if (kind == "sse") == (client.door == "sse") and era_without_gateway(client, kind)
    ]
    return pytest.mark.parametrize(("client", "kind"), cells)


def era_without_gateway(client: Client, kind: Kind) -> Era | None:
    """The era that a client and an upstream agree on by themselves, if any."""
    spoken = {"dual": ("legacy", "modern"), "modern": ("modern",)}.get(kind, ("legacy",))
    return next((era for era in client.speaks if era in spoken), None)


def visit(client: Client, url: str, key: str, *, kind: Kind, era: Era) -> None:
    """Let `client` do everything it can, and compare.

    Raises:
        AssertionError: Something is not as it should be; the text lists every such step.
    """
    todo = [step for step in steps(kind, era) if step.name not in client.cannot]
    found = client.visit(url, key, todo)
    wrong = [line for step in todo if step.name in found and (line := complaint(step, found[step.name]))]
    missing = [step.name for step in todo if step.name not in found]
    if missing or "end" in found or found.get("connect") != {"protocol": NEWEST[era]}:
        wrong.insert(0, f"connect: {shown(found.get('connect'))}\nend: {shown(found.get('end'))}\nmissing: {missing}")
    assert not wrong, f"{client.name} to {kind}:\n" + "\n".join(wrong)


def complaint(step: Step, found: Mapping[str, Any]) -> str | None:
    """What is wrong about what came of `step`; None when nothing is."""
    got = dict(found)
    late = got.pop("after_first_report_s", None)
    if got != dict(step.found):
        return f"{step.name}: found {shown(got)}\n    instead of {step.found}"
    if step.name == "progress" and (late is None or late < LIVE_S):
        return f"{step.name}: the reports came together with the result"
    return None


def shown(found: Any) -> str:
    """What a client printed, for people."""
    return found["crash"] if isinstance(found, dict) and "crash" in found else json.dumps(found, ensure_ascii=False)
