"""`gatehouse secrets`: what the gateway proves itself with to upstream servers."""

import sys
from urllib.parse import quote

import typer

from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.options import Key, Url, client, group
from gateway_core.cli.shapes import Secrets, Told
from gateway_core.cli.tables import show
from gateway_core.registry.slugs import MAX_SECRET_VALUE

secrets = group("secrets", "Secrets: what the gateway proves itself with to upstream servers.")


@secrets.command("set")
def set_secret(name: str, url: Url = None, key: Key = None) -> None:
    """Set a secret. The value is read from standard input; a line break at its end is dropped."""
    api = client(url, key)
    value = typer.prompt("Value", hide_input=True) if sys.stdin.isatty() else _piped()
    if not value:
        raise CommandFailed(
            "Nothing was set: the value is empty. Write it to standard input, as in: "
            f"echo VALUE | gatehouse secrets set {name}"
        )
    if len(value) > MAX_SECRET_VALUE:
        raise CommandFailed(
            f"Nothing was set: the value has more than {MAX_SECRET_VALUE:,} characters, the most that a secret holds. "
            "Was another file meant?"
        )
    api.read(Told, "PUT", f"/secrets/{quote(name, safe='')}", {"value": value})
    typer.echo(f"Set {name}.")


@secrets.command("list")
def list_secrets(url: Url = None, key: Key = None) -> None:
    """List secrets by name, with the servers that use them."""
    found = client(url, key).read(Secrets, "GET", "/secrets").secrets
    show(("SECRET", "USED BY"), [(each.name, ", ".join(each.used_by) or "-") for each in found])


@secrets.command("delete")
def delete_secret(name: str, url: Url = None, key: Key = None) -> None:
    """Delete a secret that no server uses."""
    client(url, key).read(Told, "DELETE", f"/secrets/{quote(name, safe='')}")
    typer.echo(f"Deleted {name}.")


def _piped() -> str:
    """What standard input holds, no more of it than shows whether it is too long. What is no UTF-8 gets a replacement
    character, which no header holds either."""
    read = sys.stdin.buffer.read(MAX_SECRET_VALUE + len("\r\n") + 1)
    return read.decode(errors="replace").removesuffix("\n").removesuffix("\r")
