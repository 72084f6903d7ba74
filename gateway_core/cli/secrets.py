"""`gatehouse secrets`: header values for upstream servers."""

import sys
from urllib.parse import quote

import typer

from gateway_core.cli.options import Key, Url, client, group
from gateway_core.cli.tables import show

secrets = group("secrets", "Secrets: header values for upstream servers.")


@secrets.command("set")
def set_secret(name: str, url: Url = None, key: Key = None) -> None:
    """Set a secret. The value is read from standard input; a line break at its end is dropped."""
    api = client(url, key)
    if sys.stdin.isatty():
        value = typer.prompt("Value", hide_input=True)
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    api.call("PUT", f"/secrets/{quote(name, safe='')}", {"value": value})
    typer.echo(f"Set {name}.")


@secrets.command("list")
def list_secrets(url: Url = None, key: Key = None) -> None:
    """List secrets by name, with the servers that use them."""
    found = client(url, key).call("GET", "/secrets")["secrets"]
    show(("SECRET", "USED BY"), [(each["name"], ", ".join(each["used_by"]) or "-") for each in found])


@secrets.command("delete")
def delete_secret(name: str, url: Url = None, key: Key = None) -> None:
    """Delete a secret that no server uses."""
    client(url, key).call("DELETE", f"/secrets/{quote(name, safe='')}")
    typer.echo(f"Deleted {name}.")
