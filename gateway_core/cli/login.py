"""`gatehouse login`, `logout` and `whoami`."""

import threading
import webbrowser
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import typer

from gateway_core.cli import authorization_server, callback
from gateway_core.cli.admin_client import AdminClient, gateway_url
from gateway_core.cli.authorization_server import AuthorizationServer, Proof
from gateway_core.cli.credentials import Login
from gateway_core.cli.failing import CommandFailed
from gateway_core.cli.logins import own_logins
from gateway_core.cli.options import Key, Url, client
from gateway_core.cli.shapes import Me
from gateway_core.cli.tables import roles
from gateway_core.settings import read_settings


def login(
    url: Url = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the URL to open.")] = False,
    wait: Annotated[float, typer.Option(min=1, max=3600, help="Seconds to wait for the browser.")] = 300,
    key: Annotated[str | None, typer.Option(envvar="GATEHOUSE_KEY", hidden=True)] = None,
) -> None:
    """Log in through the browser. Commands for this gateway then act as you, without a key."""
    server = authorization_server.find(gateway_url(read_settings(), url))
    # Before anybody is asked: what cannot be kept would be good at the gateway and known to nobody.
    own_logins().check()
    kept = _kept(server, _through_browser(server, wait_s=wait, open_browser=not no_browser))
    typer.echo(f"Logged in at {server.url} as {kept.name}.")
    if key is not None:
        typer.echo(
            "GATEHOUSE_KEY is set, and comes before a login: commands act with that key until it is unset.", err=True
        )


def logout(url: Url = None) -> None:
    """Log out: the login is revoked at the gateway, and forgotten here."""
    at = gateway_url(read_settings(), url)
    name = own_logins().end(at)
    if name is None:
        raise CommandFailed(f"Nobody is logged in at {at}.")
    typer.echo(f"Logged out at {at} ({name}).")


def whoami(url: Url = None, key: Key = None) -> None:
    """Say as whom commands act, with which roles, and which servers that person can use."""
    api = client(url, key)
    me = api.read(Me, "GET", "/me")
    typer.echo(f"{me.name} at {api.url}")
    if me.member is None:
        return
    held = me.member.roles
    typer.echo(f"Organisation: {held.organisation}. Workspaces: {roles(held.workspaces)}")
    typer.echo("Servers:" if me.servers else "Servers: -")
    for each in me.servers:
        typer.echo(f"  {api.url}/{each.workspace}/{each.server}/mcp")
    if me.more_servers:
        typer.echo(f"These are the first {len(me.servers)}; there are more.")


def _kept(server: AuthorizationServer, made: Login) -> Login:
    """The login under the name of who it is. One that cannot be kept is ended at the gateway too."""
    try:
        named = replace(made, name=AdminClient(server.url, made.access_token).read(Me, "GET", "/me").name)
        before = own_logins().start(server, named)
    except BaseException:
        _end(server, made)
        raise
    if before is not None:
        _end(server, before)
    return named


def _end(server: AuthorizationServer, login: Login) -> None:
    # Where the gateway cannot be told, it lapses by itself.
    with suppress(CommandFailed):
        server.end(login)


def _through_browser(server: AuthorizationServer, *, wait_s: float, open_browser: bool) -> Login:
    proof = Proof.new()
    with callback.listening(proof.state, server.url) as answer:
        url = server.authorization_url(proof, answer.redirect_uri)
        typer.echo("Log in in the browser, at:", err=True)
        typer.echo(url, err=True)
        if open_browser:
            # Beside the wait: some browsers keep whoever opens them until they are closed.
            threading.Thread(target=_open, args=(url,), daemon=True).start()
        found = answer.wait(wait_s)
    if "code" not in found:
        raise CommandFailed(found.get("error_description") or f"The login was refused: {found['error']}.")
    return server.redeem(found["code"], proof, answer.redirect_uri)


def _open(url: str) -> None:
    if not webbrowser.open(url):
        typer.echo("No browser could be opened: open the URL yourself, on this machine.", err=True)
