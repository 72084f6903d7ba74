"""Backup of a data folder as one file, and its way back; both while a gateway runs on the folder or not."""

import asyncio
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from gateway_core.admin.applying import touch
from gateway_core.errors import GatewayError, Invalid, StoreUnavailable
from gateway_core.local.data_folder import ADMIN_KEY_FILE, DATABASE, DEMO_KEY_FILE, KEY_FILE, write_private
from gateway_core.storage.backup import backup_database, restore_database
from gateway_core.storage.sqlite import SqliteTable

FILES: Final = (KEY_FILE, ADMIN_KEY_FILE, DEMO_KEY_FILE)
MAX_KEY_BYTES: Final = 64 * 1024


def write_archive(folder: Path, target: Path) -> None:
    """Write everything in `folder` that a gateway needs into `target`, readable by this user alone.

    Raises:
        Invalid: There is no gateway's data in `folder`, or `target` cannot be written.
        StoreUnavailable, StoreFull: The copy could not be made.
    """
    try:
        taken = target.exists()
    except OSError as error:
        raise Invalid(f"{target} cannot be written: {error.strerror}.") from None
    if taken:
        raise Invalid(f"{target} exists already. Name another file, or remove it first.")
    with tempfile.TemporaryDirectory() as scratch:
        # The database first: whatever sealed what is in it is in the key file by now.
        copy = Path(scratch) / DATABASE
        backup_database(folder / DATABASE, copy)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(copy, DATABASE)
            for name in FILES:
                if (folder / name).exists():
                    archive.add(folder / name, name)
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(packed.getvalue())
        unfinished.replace(target)
    except OSError as error:
        raise Invalid(f"{target} cannot be written: {error.strerror}.") from None


def restore_archive(folder: Path, source: Path, *, now: int) -> Path | None:
    """Make `folder` hold what `source` holds. What it held before is kept in an archive beside it.

    A running gateway sees the restored registry at the next request: keys are replaced before the database is, and
    both are read again when they do not fit.

    Returns:
        The archive of what was there, or None when there was nothing.

    Raises:
        Invalid: `source` is no backup of a gateway, or of a newer version; nothing was changed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        database, texts = _unpack(source, Path(scratch))
        kept = None
        if (folder / DATABASE).exists():
            kept = folder / f"before-restore-{now}.tar.gz"
            write_archive(folder, kept)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Into a database of its own first: a damaged or newer one is refused before anything is replaced.
        checked = Path(scratch) / "checked.db"
        restore_database(database, checked, now=now)
        _renew_revision(checked, now)
        try:
            for name, text in texts.items():
                write_private(folder / name, text)
            restore_database(checked, folder / DATABASE, now=now)
        except (OSError, GatewayError) as error:
            there = "" if kept is None else f" What was there before is in {kept}: restore that first."
            raise StoreUnavailable(f"The backup was restored in part only ({error}).{there}") from error
    return kept


def _renew_revision(database: Path, now: int) -> None:
    """Give what is restored a revision that no process has seen, so that none goes on with what it had cached."""
    table = SqliteTable(database, lambda: now)
    try:
        asyncio.run(touch(table))
    finally:
        table.close()


def _unpack(source: Path, scratch: Path) -> tuple[Path, dict[str, str]]:
    """Database and key texts of an archive. Nothing is written under a name that the archive chose."""
    database, texts = scratch / "restored.db", {}
    try:
        with tarfile.open(source, "r:gz") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None or member.name not in (DATABASE, *FILES):
                    raise Invalid(f"{source} is not a backup of a gateway: it holds {member.name[:80]!r}.")
                if member.name == DATABASE:
                    database.write_bytes(content.read())
                else:
                    texts[member.name] = content.read(MAX_KEY_BYTES).decode("ascii").strip()
    except (OSError, tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise Invalid(f"{source} cannot be read as a backup: {error}.") from None
    if not database.exists() or KEY_FILE not in texts:
        raise Invalid(f"{source} is not a backup of a gateway: the database or its key is missing.")
    return database, texts
