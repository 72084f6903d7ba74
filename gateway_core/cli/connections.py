"""`gatehouse connect` and `gatehouse connections`: accounts at servers that the gateway acts as."""

import webbrowser
from typing import Annotated
from urllib.parse import quote

import typer

from gateway_core.cli import own
from gateway_core.cli.admin_client import AdminClient, Refused
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.options import Key, Url, client, group
from gateway_core.cli.shapes import Connection, Connections, Disconnected, Me, Servers, Workspaces
from gateway_core.cli.tables import day, show

connections = group("connections", "Accounts at servers that the gateway acts as.")
_TOLD = {
    "revoked": "Its permission was taken back where it came from, too.",
    "not_revoked": "Its permission could not be taken back where it came from: do so there.",
    "not_offered": "Where it came from, permission is taken back by hand: do so there.",
}


@connections.command("list")
def list_connections(
    server: Annotated[str | None, typer.Option(help="Only at this server.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only this workspace's own.")] = None,
    member: own.Member = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """List connected accounts, never their tokens. Everybody may list their own: --member self."""
    api = client(url, key)
    if own.is_own(api, member):
        mine = api.read(Connections, "GET", "/me/connections").connections
        # One's own accounts are no workspace's.
        found = [one for one in mine if workspace is None and server in (None, one.server)]
    else:
        asked = {"server": server, "workspace": workspace, "member": member}
        query = {name: value for name, value in asked.items() if value is not None}
        found = own.others(api, Connections, "connections", **query).connections
    rows = [
        (one.server or one.server_id, _holder(one), one.account or "-", _state(one), day(one.connected_at),
         "-" if one.used_at is None else day(one.used_at))
        for one in found
    ]  # fmt: skip
    show(("SERVER", "OF", "ACCOUNT", "STATE", "CONNECTED", "LAST USED"), rows)


@connections.command("disconnect")
def disconnect(
    server: str,
    holder: Annotated[
        str | None,
        typer.Argument(
            help="Whose: org, a workspace's slug, or a member's e-mail address. [default: your own]", show_default=False
        ),
    ] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Take an account away: here at once, and at its authorization server where that can be asked."""
    api, at = client(url, key), quote(server, safe="")
    if holder is None or own.is_own(api, holder):
        gone = api.read(Disconnected, "DELETE", f"/me/connections/{at}")
    else:
        gone = api.read(Disconnected, "DELETE", f"/connections/{at}/{quote(holder, safe='')}")
    typer.echo(f"Disconnected. {_TOLD.get(gone.at_provider, '')}".rstrip())


def connect(
    server: str,
    workspace: Annotated[str | None, typer.Option(help="From which it is used. [default: the only one]")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the URL to open.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Connect your account at a server, or the one that a workspace or everybody uses, in the browser."""
    api = client(url, key)
    place = workspace or _place(api, server)
    _check(api, server, place)
    page = f"{api.url}/connect/{quote(place, safe='')}/{quote(server, safe='')}"
    typer.echo(page)
    if not no_browser and not webbrowser.open(page):
        typer.echo("No browser could be opened: open the URL yourself.", err=True)


def _place(api: AdminClient, server: str) -> str:
    """The workspace in which whoever asks can use a server. Where that is several, somebody has to choose."""
    me = api.read(Me, "GET", "/me")
    places = [one.workspace for one in me.servers if one.server == server]
    if me.member is None or (not places and me.more_servers):
        raise CommandFailed(f"Say from which workspace you use {server}: --workspace ({_known(api)})")
    if not places:
        raise CommandFailed(f"There is no server {server!r} that you can use. 'gatehouse whoami' shows those.")
    if len(places) > 1:
        raise CommandFailed(f"You use {server} from several workspaces. Say from which: --workspace {places[0]}")
    return places[0]


def _check(api: AdminClient, server: str, workspace: str) -> None:
    """Go on only where there is an account to connect: a page could not say so to whoever only prints its URL."""
    own.check_asked(api, "accounts", workspace=workspace, member=None)
    found = next((one for one in api.read(Servers, "GET", "/servers").servers if one.slug == server), None)
    if found is None:
        raise CommandFailed(f"There is no server {server!r} that you can use. 'gatehouse servers list' shows those.")
    if found.auth.type != "oauth":
        raise CommandFailed(
            f"{server} is used without an account that people connect (its auth is of type {found.auth.type}): there "
            "is nothing to connect."
        )
    if found.workspaces != "all" and workspace not in found.workspaces:
        there = ", ".join(found.workspaces) or "none"
        raise CommandFailed(f"{server} is not in the workspace {workspace} (it is in: {there}).")


def _known(api: AdminClient) -> str:
    try:
        return ", ".join(each.slug for each in api.read(Workspaces, "GET", "/workspaces").workspaces) or "none yet"
    except Refused:
        return "none that you see"


def _holder(one: Connection) -> str:
    return one.holder.name or one.holder.id


def _state(one: Connection) -> str:
    return "wants more" if one.state == "ok" and one.wanted else one.state.replace("_", " ")
