"""`gatehouse members`: the people of the organisation, and `gatehouse groups`."""

from shlex import quote
from typing import Annotated, Any, Final
from urllib.parse import quote as in_path

import typer

from gateway_core.cli.admin_client import AdminClient
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.options import Key, Url, client, group
from gateway_core.cli.shapes import ChangedMember, Groups, InvitedMember, Members, Told
from gateway_core.cli.tables import day, minute, roles, show

members = group("members", "Members: the people of the organisation, and what each may do.")
groups = group("groups", "Groups of the identity provider, and the roles that they give.")

_BY_WORKSPACE: Final = ("member", "auditor")
"""Roles in the organisation that open no server by themselves."""
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="E-mail address.")]
Role = Annotated[str | None, typer.Option("--role", help="Role in the organisation: owner, admin, auditor or member.")]
Workspaces = Annotated[
    list[str] | None,
    typer.Option("--workspace", help="WORKSPACE=ROLE (admin, manager or member), or WORKSPACE for member; repeat."),
]


@members.command("list")
def list_members(
    workspace: Annotated[str | None, typer.Option(help="Only this workspace.")] = None, url: Url = None, key: Key = None
) -> None:
    """List members, with their roles."""
    query = {} if workspace is None else {"workspace": workspace}
    rows = [
        (each.email, each.name or "-", each.roles.organisation, roles(each.roles.workspaces),
         "invited" if each.invited else f"signed in {day(each.signed_in_at)}")
        for each in client(url, key).read(Members, "GET", "/members", **query).members
    ]  # fmt: skip
    show(("MEMBER", "NAME", "ORGANISATION", "WORKSPACES", "STATE"), rows)


@members.command("invite")
def invite(
    email: Address,
    role: Role = None,
    workspace: Workspaces = None,
    name: Annotated[str | None, typer.Option(help="Full name. [default: what they give at the first sign-in]")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make somebody a member, or give a member further roles."""
    body: dict[str, Any] = {"email": email, "workspaces": dict(map(_with_role, workspace or []))}
    if role is not None:
        body["organisation"] = role
    if name is not None:
        body["name"] = name
    _tell(client(url, key).read(InvitedMember, "POST", "/members", body))


@members.command("roles")
def change_roles(
    email: Address,
    role: Role = None,
    workspace: Workspaces = None,
    leave: Annotated[list[str] | None, typer.Option("--leave", help="Workspace to take them out of; repeat.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Give a member other roles, from the next request on. What is not named stays."""
    if role is None and not workspace and not leave:
        raise CommandFailed("Say what to change: --role ROLE, --workspace WORKSPACE=ROLE, or --leave WORKSPACE.")
    api = client(url, key)
    given: dict[str, str | None] = {**dict(map(_with_role, workspace or [])), **dict.fromkeys(leave or [])}
    change = {"organisation": role, "workspaces": given}
    made = api.read(ChangedMember, "PATCH", f"/members/{_named(api, email)}", change)
    typer.echo(f"{made.email} is {made.roles.organisation}; {roles(made.roles.workspaces)}")
    if made.roles != made.given:
        typer.echo("Groups of the identity provider give some of this.", err=True)
    if made.next is not None:
        typer.echo(made.next, err=True)


@members.command("remove")
def remove(email: Address, url: Url = None, key: Key = None) -> None:
    """Remove a member. Their sessions, logins and keys are refused from the next request on."""
    api = client(url, key)
    api.read(Told, "DELETE", f"/members/{_named(api, email)}")
    typer.echo(f"Removed {email}.")


@members.command("unlink")
def unlink(email: Address, url: Url = None, key: Key = None) -> None:
    """Let a member sign in with another account, or choose a new password. They keep what is theirs, keys and logins
    included: to end those, remove them."""
    api = client(url, key)
    made = api.read(ChangedMember, "POST", f"/members/{_named(api, email)}/unlink")
    typer.echo(f"Unlinked {made.email}. {made.next or ''}".rstrip())


@members.command("link")
def link(email: Address, url: Url = None, key: Key = None) -> None:
    """A new link for somebody who has not joined yet. The one before it stops working."""
    api = client(url, key)
    _tell(api.read(InvitedMember, "POST", f"/members/{_named(api, email)}/invitation"))


@groups.command("list")
def list_groups(url: Url = None, key: Key = None) -> None:
    """List what groups give. They are written in the configuration file, under groups; see: gatehouse apply."""
    rows = [
        (each.group, each.organisation or "-", roles(each.workspaces))
        for each in client(url, key).read(Groups, "GET", "/groups").groups
    ]
    show(("GROUP", "ORGANISATION", "WORKSPACES"), rows)


def _tell(answer: InvitedMember) -> None:
    if answer.link is not None:
        typer.echo(answer.link)
    typer.echo(
        f"{answer.email} is {answer.roles.organisation}; {roles(answer.roles.workspaces)}. {answer.next}", err=True
    )
    if answer.link_until is not None:
        typer.echo(f"The link works once, until {minute(answer.link_until)}.", err=True)
    if answer.roles.organisation in _BY_WORKSPACE and not answer.roles.workspaces:
        typer.echo("They can use no server yet. To give them those of a workspace:", err=True)
        typer.echo(f"  gatehouse members roles {quote(answer.email)} --workspace WORKSPACE", err=True)


def _with_role(text: str) -> tuple[str, str]:
    slug, _, role = text.partition("=")
    return slug, role or "member"


def _named(api: AdminClient, email: str) -> str:
    """How the API is told who is meant: by the address, so that what is refused is the action and no look-up before."""
    if "@" in email and "/" not in email:
        return in_path(email, safe="@")
    # A path has no place for a slash within a name.
    found = api.read(Members, "GET", "/members", email=email).members
    if not found:
        raise CommandFailed(f"There is no member {email!r}. 'gatehouse members list' shows them.")
    return found[0].id
