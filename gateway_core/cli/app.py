"""The commands."""

import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway_core.cli.admin_client import CommandFailed, ConfigRefused, admin_client, duration_s
from gateway_core.cli.config_file import read_config
from gateway_core.settings import read_settings

app = typer.Typer(
    name="gatehouse", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="An MCP gateway: one URL and one credential in front of every MCP server.",
)  # fmt: skip
keys = typer.Typer(no_args_is_help=True, help="API keys: what clients send.")
secrets = typer.Typer(no_args_is_help=True, help="Secrets: header values for upstream servers.")
app.add_typer(keys, name="keys")
app.add_typer(secrets, name="secrets")

_URL = typer.Option("--url", envvar="GATEHOUSE_URL", help="Gateway to talk to. [default: this machine's]")
_KEY = typer.Option(
    "--key", envvar="GATEHOUSE_KEY", help="Administrator's key. [default: admin.key of the data folder]"
)
Url = Annotated[str | None, _URL]
Key = Annotated[str | None, _KEY]


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
def apply(
    file: Annotated[Path, typer.Option("--file", "-f", help="Configuration file (YAML).")],
    prune: Annotated[bool, typer.Option("--prune", help="Also delete what the file does not name.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make the registry say what a file says. Repeating it changes nothing."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}") from None
    config = read_config(str(file), text)
    client = admin_client(read_settings(), url, key)
    try:
        answer = client.call("POST", "/apply", {"config": config.data, "prune": prune})
    except ConfigRefused as refused:
        lines = [config.told(path[1:], said) for path, said in refused.problems]
        raise CommandFailed(*lines, "Nothing was changed.") from None
    for change in answer["changes"]:
        fields = f" ({', '.join(change['fields'])})" if change["fields"] else ""
        typer.echo(f"{change['action']}d {change['kind']} {change['slug']}{fields}")
    if not answer["changes"]:
        typer.echo("Nothing to change.")


@keys.command("create")
def create_key(
    workspace: Annotated[str, typer.Option(help="Workspace the key works in.")],
    service: Annotated[str | None, typer.Option(help="Name of the service that will use it.")] = None,
    user: Annotated[str | None, typer.Option(help="E-mail address of the person who will use it.")] = None,
    server: Annotated[list[str] | None, typer.Option(help="Only this server; repeat for more. [default: all]")] = None,
    expires: Annotated[str | None, typer.Option(help="Lifetime, e.g. 90d. [default: none]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the key and nothing else.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make an API key. It is shown once."""
    if (service is None) == (user is None):
        raise CommandFailed("Say whose key it is with one of --service NAME and --user ADDRESS.")
    body: dict[str, Any] = {
        "workspace": workspace,
        "kind": "service" if user is None else "user",
        "subject": service if user is None else user,
        "servers": server or None,
        "expires_in_s": None if expires is None else duration_s(expires),
    }
    made = admin_client(read_settings(), url, key).call("POST", "/keys", body)
    typer.echo(made["key"])
    if not quiet:
        typer.echo(f"This is key {made['id']}. It is not shown again.", err=True)


@keys.command("list")
def list_keys(
    workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None, url: Url = None, key: Key = None
) -> None:
    """List API keys, without their text."""
    client = admin_client(read_settings(), url, key)
    query = {} if workspace is None else {"workspace": workspace}
    slugs = {each["id"]: each["slug"] for each in client.call("GET", "/workspaces")["workspaces"]}
    slugs |= {each["id"]: each["slug"] for each in client.call("GET", "/servers")["servers"]}
    rows = [
        (each["id"], slugs.get(each["workspace_id"], "-"), f"{each['kind']}:{each['subject']}",
         "all" if each["servers"] is None else ", ".join(slugs.get(id_, "-") for id_ in each["servers"]),
         _day(each["created_at"]), _key_state(each))
        for each in client.call("GET", "/keys", **query)["keys"]
    ]  # fmt: skip
    _table(("KEY", "WORKSPACE", "FOR", "SERVERS", "CREATED", "STATE"), rows)


@keys.command("revoke")
def revoke_key(key_id: str, url: Url = None, key: Key = None) -> None:
    """Revoke an API key. It is refused from the next request on."""
    client = admin_client(read_settings(), url, key)
    # Whoever has the key itself at hand may name it so; only its id goes over the wire.
    wanted = key_id.split("_")[2] if key_id.count("_") == 3 else key_id
    gone = client.call("DELETE", f"/keys/{quote(wanted, safe='')}")
    typer.echo(f"Revoked {gone['id']} ({gone['kind']}:{gone['subject']}).")


@secrets.command("set")
def set_secret(name: str, url: Url = None, key: Key = None) -> None:
    """Set a secret. The value is read from standard input; a line break at its end is dropped."""
    client = admin_client(read_settings(), url, key)
    if sys.stdin.isatty():
        value = typer.prompt("Value", hide_input=True)
    else:
        value = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    client.call("PUT", f"/secrets/{quote(name, safe='')}", {"value": value})
    typer.echo(f"Set {name}.")


@secrets.command("list")
def list_secrets(url: Url = None, key: Key = None) -> None:
    """List secrets by name, with the servers that use them."""
    found = admin_client(read_settings(), url, key).call("GET", "/secrets")["secrets"]
    _table(("SECRET", "USED BY"), [(each["name"], ", ".join(each["used_by"]) or "-") for each in found])


@secrets.command("delete")
def delete_secret(name: str, url: Url = None, key: Key = None) -> None:
    """Delete a secret that no server uses."""
    admin_client(read_settings(), url, key).call("DELETE", f"/secrets/{quote(name, safe='')}")
    typer.echo(f"Deleted {name}.")


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


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _key_state(each: dict[str, Any]) -> str:
    if each["revoked_at"] is not None:
        return f"revoked {_day(each['revoked_at'])}"
    if each["expires_at"] is None:
        return "active"
    return f"{'expired' if each['expires_at'] <= time.time() else 'until'} {_day(each['expires_at'])}"


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    for row in (titles, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
