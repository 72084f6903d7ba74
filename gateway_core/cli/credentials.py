"""The file that holds logins: one for each gateway, for this user's eyes only."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway_core.cli.answers import sendable
from gateway_core.cli.failing import CommandFailed

FILE: Final = "credentials.json"
LOCK: Final = "credentials.lock"


@dataclass(frozen=True, slots=True)
class Login:
    """What `gatehouse login` brought back from one gateway."""

    name: str
    """E-mail address of who logged in."""
    access_token: str
    refresh_token: str
    expires_at: int
    """When the access token ends, in Unix seconds."""

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"

    @property
    def usable(self) -> bool:
        """True where every field is what it says, and the tokens can be sent."""
        texts = (self.name, self.access_token, self.refresh_token)
        if not all(isinstance(each, str) for each in texts) or type(self.expires_at) is not int:
            return False
        return sendable(self.access_token) and sendable(self.refresh_token)


class Ended(NamedTuple):
    """A login that the gateway takes no more."""

    name: str
    """E-mail address of who had logged in."""
    why: str
    """As the gateway said it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file says."""

    logins: dict[str, Login] = field(default_factory=dict)
    """By the URL of their gateway."""
    ended: dict[str, Ended] = field(default_factory=dict)
    """Those that ended without their user's doing, by the URL of the gateway, until they log in or out there."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Logins by the URL of their gateway. Whoever changes one holds the lock, lest a rotated token is lost."""

    folder: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing logins; it ends with the process, however that ends.

        Raises:
            CommandFailed: The folder cannot be used.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CommandFailed(
                f"{self.folder} cannot be used: {error.strerror}. Name another folder with XDG_CONFIG_HOME."
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def get(self, url: str) -> Login | None:
        """The login at a gateway, or None.

        Raises:
            CommandFailed: The file cannot be read.
        """
        return self._read().logins.get(url)

    def ended(self, url: str) -> Ended | None:
        """The login at a gateway that ended without its user's doing, or None.

        Raises:
            CommandFailed: The file cannot be read.
        """
        return self._read().ended.get(url)

    def put(self, url: str, login: Login) -> None:
        """Keep a login in place of the one before. Under the lock."""
        kept = self._without(url)
        kept.logins[url] = login
        self._write(kept)

    def end(self, url: str, *, why: str) -> None:
        """Drop a login that ended, and remember whose it was, and what the gateway said. Under the lock."""
        login, kept = self.get(url), self._without(url)
        if login is not None:
            kept.ended[url] = Ended(login.name, why)
        self._write(kept)

    def forget(self, url: str) -> None:
        """Drop a login, and that one ended. Under the lock."""
        self._write(self._without(url))

    def check(self) -> None:
        """Find out whether a login could be kept. Under the lock.

        Raises:
            CommandFailed: It could not.
        """
        self._read()
        self._unfinished("").unlink()

    def _without(self, url: str) -> Kept:
        kept = self._read()
        kept.logins.pop(url, None)
        kept.ended.pop(url, None)
        return kept

    def _read(self) -> Kept:
        path = self.folder / FILE
        try:
            found = json.loads(path.read_bytes())
            logins = {
                str(url): Login(**{name: login[name] for name in Login.__slots__})
                for url, login in found["logins"].items()
            }
            ended = {str(url): Ended(**each) for url, each in found.get("ended", {}).items()}
            kept = Kept(logins, ended)
        except (FileNotFoundError, NotADirectoryError):
            return Kept()
        except OSError as error:
            raise CommandFailed(
                f"{path} cannot be read: {error.strerror}. Name another folder with XDG_CONFIG_HOME."
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _unreadable(path) from None
        if not all(login.usable for login in kept.logins.values()):
            raise _unreadable(path)
        return kept

    def _write(self, kept: Kept) -> None:
        """Readers see the old file or the new one, and nobody else sees either."""
        body: dict[str, Any] = {"logins": {url: asdict(login) for url, login in kept.logins.items()}}
        if kept.ended:
            body["ended"] = {url: each._asdict() for url, each in kept.ended.items()}
        unfinished = self._unfinished(json.dumps(body, indent=2))
        try:
            unfinished.replace(self.folder / FILE)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unfinished(self, text: str) -> Path:
        """A new file beside the one there is."""
        path = self.folder / f"{FILE}.unfinished"
        try:
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from None
        return path

    def _unwritable(self, error: OSError) -> CommandFailed:
        return CommandFailed(f"{self.folder / FILE} cannot be written: {error.strerror}.")


def _unreadable(path: Path) -> CommandFailed:
    return CommandFailed(f"{path} cannot be read. Delete it, and log in again: gatehouse login")
