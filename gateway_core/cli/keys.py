"""`gatehouse keys`: what clients send."""

import time
from typing import Annotated, Any

import typer

from gateway_core.cli import own
from gateway_core.cli.admin_client import duration_s
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.options import Key, Url, client, group
from gateway_core.cli.shapes import Key as OneKey
from gateway_core.cli.shapes import Keys, MadeKey, OwnKeys, ServerNames, Workspaces
from gateway_core.cli.tables import day, show
from gateway_core.registry.members import plain_email

keys = group("keys", "API keys: what clients send.")


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
    """Make an API key. It is shown once. A person who is no member yet becomes one, not signed in so far."""
    if (service is None) == (user is None):
        raise CommandFailed("Say whose key it is with one of --service NAME and --user ADDRESS.")
    body: dict[str, Any] = {
        "workspace": workspace,
        "kind": "service" if user is None else "user",
        "subject": service if user is None else user,
        "servers": server or None,
        "expires_in_s": None if expires is None else duration_s(expires),
    }
    made = client(url, key).read(MadeKey, "POST", "/keys", body)
    typer.echo(made.key)
    if not quiet:
        typer.echo(f"This is key {made.id}. It is not shown again.", err=True)
    if made.next is not None:
        typer.echo(f"{made.subject}: {made.next}", err=True)


@keys.command("list")
def list_keys(
    workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None,
    member: own.Member = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """List API keys, without their text. Everybody may list their own: --member self."""
    api = client(url, key)
    mine = own.is_own(api, member)
    if mine:
        answer = api.read(OwnKeys, "GET", "/me/keys")
        found, slugs = answer.keys, answer.slugs
    else:
        query = {} if workspace is None else {"workspace": workspace}
        found = [each for each in own.others(api, Keys, "keys", **query).keys if member is None or _of(each, member)]
        slugs = {each.id: each.slug for each in api.read(Workspaces, "GET", "/workspaces").workspaces}
        slugs |= {each.id: each.slug for each in api.read(ServerNames, "GET", "/servers").servers}
    rows = [
        (each.id, slugs.get(each.workspace_id, "-"), f"{each.kind}:{each.subject}",
         "all" if each.servers is None else ", ".join(slugs.get(id_, "-") for id_ in each.servers),
         day(each.created_at), _state(each))
        for each in found
        if workspace in (None, slugs.get(each.workspace_id))
    ]  # fmt: skip
    if not rows:
        own.check_asked(api, "keys", workspace=workspace, member=None if mine else member)
    show(("KEY", "WORKSPACE", "FOR", "SERVERS", "CREATED", "STATE"), rows)


@keys.command("revoke")
def revoke_key(key_id: str, url: Url = None, key: Key = None) -> None:
    """Revoke an API key, your own or one that your roles cover. It is refused from the next request on."""
    # Whoever has the key itself at hand may name it so; only its id goes over the wire.
    wanted = key_id.split("_")[2] if key_id.count("_") == 3 else key_id
    gone = own.revoke(client(url, key), OneKey, "keys", wanted)
    typer.echo(f"Revoked {gone.id} ({gone.kind}:{gone.subject}).")


def _of(each: OneKey, member: str) -> bool:
    return (each.kind, each.subject) == ("user", plain_email(member))


def _state(each: OneKey) -> str:
    if each.revoked_at is not None:
        return f"revoked {day(each.revoked_at)}"
    if each.expires_at is None:
        return "active"
    return f"{'expired' if each.expires_at <= time.time() else 'until'} {day(each.expires_at)}"
