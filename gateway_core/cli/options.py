"""Options that many commands share, and the gateway that they name."""

from typing import Annotated

import typer

from gateway_core.cli.admin_client import AdminClient, checked, gateway_url, local_key, no_local_key
from gateway_core.cli.authorization_server import LoginEnded
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.logins import own_logins
from gateway_core.settings import read_settings

_URL = typer.Option("--url", envvar="GATEHOUSE_URL", help="Gateway to talk to. [default: this machine's]")
_KEY = typer.Option(
    "--key",
    envvar="GATEHOUSE_KEY",
    help="Administrator's key. [default: your login at that gateway, then admin.key of the data folder]",
)
Url = Annotated[str | None, _URL]
Key = Annotated[str | None, _KEY]


def group(name: str, about: str) -> typer.Typer:
    """A command with commands under it."""
    return typer.Typer(name=name, no_args_is_help=True, help=about)


def client(url: str | None, key: str | None) -> AdminClient:
    """The admin API of the gateway that the options name: with the key, with this user's login there, or on this
    machine with the administrator's key of the data folder.

    Raises:
        CommandFailed: There is none of these.
    """
    settings, logins = read_settings(), own_logins()
    at = gateway_url(settings, url)
    if key is not None:
        return AdminClient(at, checked(key))
    found = None if url is not None else local_key(settings)
    try:
        token = logins.token(at)
    except LoginEnded as ended:
        if found is None:
            raise
        until = "Until then, or until you log out, this acts with the administrator's key of this machine."
        typer.echo("\n".join([*ended.lines, until]), err=True)
        token = None
    if token is not None:
        return AdminClient(at, token, renew=lambda refused: logins.token(at, refused=refused))
    if found is not None:
        return AdminClient(at, checked(found))
    if url is None:
        raise no_local_key(settings)
    raise CommandFailed(
        f"You are not logged in at {at}. Log in: gatehouse login --url {at}",
        "Or give that gateway's administrator's key, with --key or GATEHOUSE_KEY.",
    )
