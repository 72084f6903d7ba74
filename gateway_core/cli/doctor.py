"""`gatehouse doctor`: a server looked at step by step, read as a checklist."""

import json
from typing import Annotated, Final
from urllib.parse import quote

import typer
from pydantic import Field

from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.options import Key, Url, client
from gateway_core.cli.shapes import Told

TITLES: Final = {
    "address": "Address",
    "challenge": "Asked without a credential",
    "resource": "What the server says of itself",
    "server": "Authorization server",
    "endpoints": "Its endpoints",
    "pkce": "PKCE",
    "scopes": "Scopes to ask for",
    "client": "Who the gateway is there",
    "secrets": "Secrets",
    "account": "Credential",
    "tools": "Asked with the credential",
}
_INDENT: Final = " " * 10


class Exchange(Told):
    """A request of an examination, and how it was answered."""

    request: str
    status: int | None
    headers: dict[str, str]
    body: str


class Step(Told):
    """One step of an examination."""

    name: str
    outcome: str
    told: str
    exchange: Exchange | None


class Examination(Told):
    """POST /servers/{server}/examination."""

    server: str
    workspace: str
    actor: str = Field(alias="as")
    well: bool
    steps: list[Step]


def doctor(
    server: str,
    workspace: Annotated[
        str | None, typer.Option(help="From which it is used. [default: one in which you may]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Look at a server step by step, as a call of yours would meet it: which step fails, and what to do.

    It calls no tool and connects nothing. Ends with 1 where a step failed, or nothing could be looked at.
    """
    query = {} if workspace is None else {"workspace": workspace}
    try:
        found = client(url, key).read(Examination, "POST", f"/servers/{quote(server, safe='')}/examination", **query)
    except CommandFailed as failed:
        if not as_json:
            raise
        typer.echo(json.dumps({"error": str(failed)}, indent=2, ensure_ascii=False))
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(found.model_dump(by_alias=True), indent=2, ensure_ascii=False))
    else:
        _show(found)
    if not found.well:
        raise typer.Exit(1)


def _show(found: Examination) -> None:
    typer.echo(f"{found.server}, as {found.actor} uses it from {found.workspace}:\n")
    for step in found.steps:
        typer.echo(f"{f'[{step.outcome}]':<10}{TITLES.get(step.name, step.name)}: {step.told}")
        if step.outcome in ("failed", "warning") and step.exchange is not None:
            _show_exchange(step.exchange)
    typer.echo(f"\n{_verdict(found)}")


def _show_exchange(exchange: Exchange) -> None:
    typer.echo(f"{_INDENT}{exchange.request}: {exchange.status or 'no answer'}")
    for name, value in exchange.headers.items():
        typer.echo(f"{_INDENT}{name}: {value}")
    for line in exchange.body.splitlines():
        typer.echo(_INDENT + line)


def _verdict(found: Examination) -> str:
    failed, skipped = _titles(found.steps, "failed"), _titles(found.steps, "skipped")
    if not found.well:
        return f"Failed: {', '.join(failed)}."
    return f"Nothing failed; not looked at: {', '.join(skipped)}." if skipped else "All is well."


def _titles(steps: list[Step], outcome: str) -> list[str]:
    found = [TITLES.get(step.name, step.name).lower() for step in steps if step.outcome == outcome]
    return list(dict.fromkeys(found))
