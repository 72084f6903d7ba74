"""The commands: those that run or keep a gateway stand here, the rest beside."""

import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from gateway_core.cli import login
from gateway_core.cli.applying import apply
from gateway_core.cli.clients import clients, grants
from gateway_core.cli.connections import connect, connections
from gateway_core.cli.doctor import doctor
from gateway_core.cli.keys import keys
from gateway_core.cli.members import groups, members
from gateway_core.cli.secrets import secrets
from gateway_core.cli.servers import servers
from gateway_core.settings import read_settings

app = typer.Typer(
    name="gatehouse", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="An MCP gateway: one URL and one credential in front of every MCP server.",
)  # fmt: skip
for noun in (servers, keys, secrets, members, groups, clients, grants, connections):
    app.add_typer(noun)
for verb in (apply, connect, doctor, login.login, login.logout, login.whoami):
    app.command()(verb)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("gatehouse"))
        raise typer.Exit


@app.callback()
def gatehouse(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An MCP gateway: one URL and one credential in front of every MCP server."""


@app.command()
def dev() -> None:
    """Start a gateway on this machine, with a demo server and a working key."""
    from gateway_core.local.server import serve

    serve(read_settings())


@app.command()
def backup(file: Path) -> None:
    """Write everything this machine's gateway holds into one file, while it runs or not."""
    from gateway_core.local.archive import write_archive

    write_archive(read_settings().gatehouse_data, file)
    typer.echo(f"Wrote {file}. It holds keys and secrets: keep it as you keep those.")


@app.command()
def restore(file: Path) -> None:
    """Put back what a backup holds, while the gateway runs or not. What is there now is backed up first."""
    from gateway_core.local.archive import restore_archive

    kept = restore_archive(read_settings().gatehouse_data, file, now=int(time.time()))
    typer.echo(f"Restored {file}." + ("" if kept is None else f" What was there before is in {kept}."))


@app.command("admin-key")
def admin_key() -> None:
    """Make the administrator's key of this machine's gateway anew; the old one stops working at once."""
    from gateway_core.local.server import renew_admin_key

    typer.echo(f"The new key is in {renew_admin_key(read_settings())}.")
