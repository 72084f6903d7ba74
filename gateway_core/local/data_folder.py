"""The folder that holds everything of a local gateway: database, key file, keys on paper, and who uses it now."""

import fcntl
import os
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Final

from gateway_core.errors import GatewayError, Invalid

DATABASE: Final = "gatehouse.db"
KEY_FILE: Final = "sealing.key"
ADMIN_KEY_FILE: Final = "admin.key"
DEMO_KEY_FILE: Final = "demo.key"
LOCK_FILE: Final = "lock"
ADMIN_PREFIX: Final = "ghm_"


class FolderInUse(GatewayError):
    """Another gateway runs on the same data folder."""

    reason = "folder_in_use"


@contextmanager
def held(folder: Path, port: int) -> Iterator[None]:
    """Keep other gateways off `folder`. The hold ends with the process, however that ends.

    Args:
        folder: The data folder.
        port: Where this gateway will be reached, for whoever finds the folder in use.

    Raises:
        FolderInUse: A gateway runs on it; the message says which process, and where it is reached.
        Invalid: The folder cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Invalid(
            f"The data folder {folder} cannot be used: {error.strerror}. Name another with GATEHOUSE_DATA."
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(folder, os.pread(lock, 32, 0).decode(errors="replace"), port) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()} {port}".encode(), 0)
        yield
    finally:
        os.close(lock)


def _in_use(folder: Path, holder: str, port: int) -> FolderInUse:
    """Whoever starts it twice wants the one that runs, or a second one: that takes a folder and a port of its own."""
    process, _, told = holder.strip().partition(" ")
    taken = int(told) if told.isdecimal() else None
    at = "" if taken is None else f" at http://127.0.0.1:{taken}"
    free = port if taken not in (None, port) else next_port(port)
    return FolderInUse(
        f"A gateway already runs on the data folder {folder}{at} (process {process or '?'}). Use that one, or end it "
        "with Ctrl-C where it was started.\n"
        "For a second one beside it, name another folder and another port: "
        f"GATEHOUSE_DATA={quote(f'{folder}-2')} PORT={free} make dev"
    )


def next_port(port: int) -> int:
    """Another port, for whoever asked for one that is taken."""
    return port + 1 if port < 65_535 else port - 1


def random_admin_key() -> str:
    """A new administrator's key: 256 random bits."""
    alphabet = string.ascii_letters + string.digits
    return ADMIN_PREFIX + "".join(secrets.choice(alphabet) for _ in range(43))


def read_private(path: Path) -> str | None:
    """The text of a private file, or None when there is none."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read; readers see the old text or the new."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
    unfinished.replace(path)
