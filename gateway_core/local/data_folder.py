"""The folder that holds everything of a local gateway: database, key file, keys on paper, and who uses it now."""

import fcntl
import os
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
def held(folder: Path) -> Iterator[None]:
    """Keep other gateways off `folder`. The hold ends with the process, however that ends.

    Raises:
        FolderInUse: A gateway runs on it; the message says which process.
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
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "?"
            raise FolderInUse(
                f"A gateway already runs on the data folder {folder} (process {holder}). "
                "Stop it, or name another folder: GATEHOUSE_DATA=.gatehouse-2 PORT=8788 make dev"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


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
