"""Logins in use: a fresh token for the next request, however many commands run at once."""

import time
from dataclasses import dataclass
from typing import Final

from gateway_core.cli import authorization_server
from gateway_core.cli.authorization_server import AuthorizationServer, LoginEnded
from gateway_core.cli.credentials import Credentials, Login
from gateway_core.cli.failing import CommandFailed
from gateway_core.settings import config_folder

EARLY_S: Final = 60
"""Refresh this long before the end: the longest that a request may be under way."""


@dataclass(frozen=True, slots=True)
class Logins:
    """The logins of this user."""

    credentials: Credentials

    def token(self, url: str, *, refused: str | None = None) -> str | None:
        """An access token for the gateway at `url`, or None where nobody is logged in.

        Args:
            url: The gateway.
            refused: A token that it just refused.

        Raises:
            LoginEnded: It ended without this user's doing. Every command hears so, until they log in or out.
            CommandFailed: The gateway did not answer.
        """
        login = self._current(url)
        if login is None or _good(login, refused):
            return None if login is None else login.access_token
        with self.credentials.locked():
            # Another command may have been faster: its token is as good, and the one we know of is spent.
            login = self._current(url)
            if login is None or _good(login, refused):
                return None if login is None else login.access_token
            try:
                login = authorization_server.find(url).refresh(login)
            except LoginEnded as ended:
                self.credentials.end(url, why=str(ended))
                raise _ended(url, str(ended)) from None
            self.credentials.put(url, login)
            return login.access_token

    def check(self) -> None:
        """Find out whether a login could be kept, before somebody is asked for one.

        Raises:
            CommandFailed: It could not.
        """
        with self.credentials.locked():
            self.credentials.check()

    def start(self, server: AuthorizationServer, login: Login) -> Login | None:
        """Keep a new login; returns the one before at the same gateway, which is to be revoked.

        Raises:
            CommandFailed: It cannot be kept.
        """
        with self.credentials.locked():
            before = self.credentials.get(server.url)
            self.credentials.put(server.url, login)
        return before

    def end(self, url: str) -> str | None:
        """Revoke and forget the login at `url`; whose it was, or None where there was none. One that ended by itself
        is forgotten too.

        Raises:
            CommandFailed: The gateway could not be told. The login is forgotten all the same.
        """
        with self.credentials.locked():
            login = self.credentials.get(url)
            kept = login or self.credentials.ended(url)
            name = None if kept is None else kept.name
            if name is not None:
                self.credentials.forget(url)
        if login is None:
            return name
        try:
            authorization_server.find(url).end(login)
        except CommandFailed as problem:
            raise CommandFailed(
                "The login is forgotten here, but the gateway could not be told, so that it is good there until it "
                f"lapses or somebody revokes it: {problem}"
            ) from None
        return name

    def _current(self, url: str) -> Login | None:
        ended = self.credentials.ended(url)
        if ended is not None:
            raise _ended(url, ended.why)
        return self.credentials.get(url)


def own_logins() -> Logins:
    """Those of the user who runs the command."""
    return Logins(Credentials(config_folder()))


def _good(login: Login, refused: str | None) -> bool:
    return login.access_token != refused and time.time() < login.expires_at - EARLY_S


def _ended(url: str, why: str) -> LoginEnded:
    return LoginEnded(
        f"Your login at {url} has ended. The gateway says: {why}", f"Log in again: gatehouse login --url {url}"
    )
