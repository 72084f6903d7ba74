"""What is one's own: every member lists and ends it, whatever their roles."""

from typing import Annotated, Final
from urllib.parse import quote

import typer

from gateway_core.cli.admin_client import AdminClient, Refused, Shape
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.shapes import Me, Members, Workspaces
from gateway_core.registry.members import plain_email

SELF: Final = "self"
Member = Annotated[
    str | None, typer.Option(help=f"Only this member's, by e-mail address; {SELF} for your own, which takes no role.")
]
"""Whose keys or grants are wanted."""


def is_own(api: AdminClient, address: str | None) -> bool:
    """True where `address` is that of whoever asks, or the word `self`.

    Raises:
        CommandFailed: The word is given, and it is the administrator's key that asks.
    """
    if address is None:
        return False
    me, wanted = api.read(Me, "GET", "/me").member, plain_email(address)
    if me is None and wanted == SELF:
        raise CommandFailed(
            "This acts with the administrator's key, which is nobody's. Name a person by e-mail address, or log in as "
            "yourself: gatehouse login"
        )
    return me is not None and wanted in (SELF, me.email)


def others(api: AdminClient, shape: type[Shape], kind: str, **query: str) -> Shape:
    """The answer with all `keys` or `grants` that the roles of whoever asks cover.

    Raises:
        CommandFailed: They cover none; the message says how to list one's own.
    """
    try:
        return api.read(shape, "GET", f"/{kind}", **query)
    except Refused as refused:
        raise _with_own(refused, kind) from None


def check_asked(api: AdminClient, kind: str, *, workspace: str | None, member: str | None) -> None:
    """Find out why a list of `keys` or `grants` is empty: what it was asked for may not be there.

    Args:
        api: The gateway.
        kind: Of what the list is.
        workspace: Whose were asked for, by slug, or None.
        member: Whose were asked for, by e-mail address; None for all, and for one's own.

    Raises:
        CommandFailed: There is no such workspace, or no such member, as far as whoever asks may see.
    """
    if workspace is not None and workspace not in (known := _workspaces(api)):
        raise CommandFailed(f"There is no workspace {workspace!r} (there is: {', '.join(known) or 'none'}).")
    if member is not None and not api.read(Members, "GET", "/members", email=member).members:
        raise CommandFailed(
            f"There is no member {member!r}, and no {kind} of theirs. 'gatehouse members list' shows all."
        )


def _workspaces(api: AdminClient) -> list[str]:
    """Those that whoever asks belongs to or may look into; none of them may be."""
    try:
        return [each.slug for each in api.read(Workspaces, "GET", "/workspaces").workspaces]
    except Refused as refused:
        if refused.status != 403:
            raise
        return []


def revoke(api: AdminClient, shape: type[Shape], kind: str, id_: str) -> Shape:
    """End one of the `keys` or `grants` by the roles of whoever asks, or because it is their own.

    Raises:
        CommandFailed: It is not there, or neither theirs nor covered by their roles.
    """
    path = f"/{kind}/{quote(id_, safe='')}"
    try:
        return api.read(shape, "DELETE", path)
    except Refused as refused:
        if refused.status not in (403, 404):
            raise
        try:
            return api.read(shape, "DELETE", f"/me{path}")
        except Refused as not_own:
            if not_own.status != 404:
                raise
            raise _with_own(refused, kind) from None


def _with_own(refused: Refused, kind: str) -> CommandFailed:
    """A refusal, with what can be done without any role where that was the cause."""
    hint = [f"Your own are shown by: gatehouse {kind} list --member {SELF}"] if refused.status == 403 else []
    return CommandFailed(*refused.lines, *hint)
