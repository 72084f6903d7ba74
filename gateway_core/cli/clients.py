"""`gatehouse clients` and `gatehouse grants`: OAuth clients, and what people let them do."""

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import typer

from gateway_core.cli import own
from gateway_core.cli.options import Key, Url, client, group
from gateway_core.cli.shapes import Clients, Grants, MadeClient, Told
from gateway_core.cli.tables import day, show

clients = group("clients", "OAuth clients that administrators enter. Most clients need no entry.")
grants = group("grants", "Grants: what people let clients do.")
_SITES: Final = {"any": "any site", "known": "a site that the gateway knows", "none": "no site"}


@clients.command("create")
def create_client(
    name: Annotated[str, typer.Argument(help="What people see when they are asked for consent.")],
    redirect_uri: Annotated[list[str], typer.Option(help="Where it takes the answer; repeat for more.")],
    authentication: Annotated[
        Literal["none", "basic", "post"],
        typer.Option(help="How it proves who it is: none (a program on people's machines), or a secret sent so."),
    ] = "none",
    url: Url = None,
    key: Key = None,
) -> None:
    """Enter an OAuth client. Its secret is shown once."""
    method = "none" if authentication == "none" else f"client_secret_{authentication}"
    body: dict[str, Any] = {"name": name, "redirect_uris": redirect_uri, "auth_method": method}
    made = client(url, key).read(MadeClient, "POST", "/clients", body)
    typer.echo(f"client_id      {made.id}")
    if made.secret is not None:
        typer.echo(f"client_secret  {made.secret}")
        typer.echo("The secret is not shown again.", err=True)


@clients.command("list")
def list_clients(url: Url = None, key: Key = None) -> None:
    """List the OAuth clients that were entered, without their secrets, and say which others are let in."""
    found = client(url, key).read(Clients, "GET", "/clients")
    rows = [
        (each.id, each.name, each.auth_method, ", ".join(each.redirect_uris), day(each.created_at))
        for each in found.clients
    ]
    show(("CLIENT", "NAME", "AUTHENTICATION", "REDIRECT URIS", "CREATED"), rows)
    documents, registering = found.policy.metadata_documents, found.policy.dynamic_registration
    typer.echo(
        f"Besides these: apps with a metadata document of {_SITES.get(str(documents)) or ', '.join(documents)}; "
        f"apps that register themselves are {'' if registering else 'not '}let in."
    )


@clients.command("delete")
def delete_client(client_id: str, url: Url = None, key: Key = None) -> None:
    """Delete an OAuth client, and everything that people let it do."""
    client(url, key).read(Told, "DELETE", f"/clients/{quote(client_id, safe='')}")
    typer.echo(f"Deleted {client_id}.")


@grants.command("list")
def list_grants(
    workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None,
    member: own.Member = None,
    of_client: Annotated[str | None, typer.Option("--client", help="Only this client, by id.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """List what people let clients do. Everybody may list their own: --member self."""
    api = client(url, key)
    mine = own.is_own(api, member)
    if mine:
        found = [
            each
            for each in api.read(Grants, "GET", "/me/grants").grants
            if workspace in (None, each.workspace) and of_client in (None, each.client.id)
        ]
    else:
        asked = {"workspace": workspace, "member": member, "client": of_client}
        query = {name: value for name, value in asked.items() if value is not None}
        found = own.others(api, Grants, "grants", **query).grants
    rows = [
        (each.id, each.member.email or "-", each.client.name, each.resource, day(each.created_at), day(each.expires_at))
        for each in found
    ]  # fmt: skip
    if not rows:
        own.check_asked(api, "grants", workspace=workspace, member=None if mine else member)
    show(("GRANT", "MEMBER", "CLIENT", "FOR", "CREATED", "UNTIL"), rows)


@grants.command("revoke")
def revoke_grant(grant_id: str, url: Url = None, key: Key = None) -> None:
    """End a grant, your own or one that your roles cover. Its tokens are refused from the next request on."""
    own.revoke(client(url, key), Told, "grants", grant_id)
    typer.echo(f"Revoked {grant_id}.")
