"""What is one's own: every member lists and ends it, whatever their roles."""

from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from gateway_core.cli.admin_client import AdminClient, Refused
from gateway_core.cli.failing import CommandFailed
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
    me, wanted = api.call("GET", "/me")["member"], plain_email(address)
    if me is None and wanted == SELF:
        raise CommandFailed(
            "This acts with the administrator's key, which is nobody's. Name a person by e-mail address, or log in as "
            "yourself: gatehouse login"
        )
    return me is not None and wanted in (SELF, me["email"])


def others(api: AdminClient, kind: str, **query: str) -> dict[str, Any]:
    """The answer with all `keys` or `grants` that the roles of whoever asks cover.

    Raises:
        CommandFailed: They cover none; the message says how to list one's own.
    """
    try:
        found: dict[str, Any] = api.call("GET", f"/{kind}", **query)
    except Refused as refused:
        raise _with_own(refused, kind) from None
    return found


def revoke(api: AdminClient, kind: str, id_: str) -> Any:
    """End one of the `keys` or `grants` by the roles of whoever asks, or because it is their own.

    Raises:
        CommandFailed: It is not there, or neither theirs nor covered by their roles.
    """
    path = f"/{kind}/{quote(id_, safe='')}"
    try:
        return api.call("DELETE", path)
    except Refused as refused:
        if refused.status not in (403, 404):
            raise
        try:
            return api.call("DELETE", f"/me{path}")
        except Refused as not_own:
            if not_own.status != 404:
                raise
            raise _with_own(refused, kind) from None


def _with_own(refused: Refused, kind: str) -> CommandFailed:
    """A refusal, with what can be done without any role where that was the cause."""
    hint = [f"Your own are shown by: gatehouse {kind} list --member {SELF}"] if refused.status == 403 else []
    return CommandFailed(*refused.lines, *hint)
