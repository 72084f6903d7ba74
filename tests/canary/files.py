"""What tests leave on disk: their folders, read again where something has changed, and stores that lie elsewhere."""

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tests.canary.watch import WATCH, Kind

MOST_READ: Final = 64 * 2**20
"""Bytes of one file; no test leaves as much of its own."""
JOURNAL: Final = ".journal"
"""Ends the names of files that are emptied when they were read."""


class Folders:
    """The folders that pytest has made for tests of this process. One is there: `FOLDERS`."""

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._seen: dict[str, tuple[int, int]] = {}
        self._logs: dict[str, tuple[bytes, int]] = {}
        """Of write-ahead logs: which round it is, and how many frames of it were read."""

    def add(self, folder: Path) -> None:
        """From now on whatever is in `folder` is read at the end of each test."""
        self._folders.append(folder)

    def forget(self, folder: Path) -> None:
        """Nobody writes into `folder` any more."""
        self._folders = [one for one in self._folders if one != folder]
        inside = f"{folder}{os.sep}"
        self._seen = {path: state for path, state in self._seen.items() if not path.startswith(inside)}

    def read(self) -> None:
        """Hear what is new in the folders."""
        for folder in self._folders:
            for path in _files(str(folder)):
                self._read(path, path.removeprefix(f"{folder}{os.sep}"))

    def read_store(self, path: Path) -> None:
        """Hear a store that may be gone at the end of the test, unless it lies in one of the folders."""
        if not any(path.is_relative_to(folder) for folder in self._folders):
            for name in (str(path), f"{path}-wal"):
                self._read(name, os.path.basename(name))

    def _read(self, path: str, name: str) -> None:
        try:
            about = os.stat(path)
            state = (about.st_mtime_ns, about.st_size)
            if self._seen.get(path) == state or not stat.S_ISREG(about.st_mode):
                return
            with open(path, "rb") as file:
                content = self._frames(path, file) if path.endswith("-wal") else file.read(MOST_READ)
            if path.endswith(JOURNAL):
                os.truncate(path, 0)
        except OSError:
            # Removed meanwhile, or made unreadable on purpose.
            return
        self._seen[path] = state
        for kind, inner, text in _parts(name, content):
            WATCH.hear(kind, inner, text)

    def _frames(self, path: str, file: BinaryIO) -> bytes:
        """What was added to a write-ahead log (SQLite file format, section 4.1): it is read after each of a thousand
        tests that share a store, and begins anew, over what was there before, once it is copied into the database."""
        header = file.read(32)
        size, salts = 24 + int.from_bytes(header[8:12]), header[16:24]
        of, number = self._logs.get(path, (b"", 0))
        number = number if of == salts else 0
        file.seek(32 + number * size)
        added = []
        while len(frame := file.read(size)) == size and frame[8:16] == salts:
            added.append(frame)
        self._logs[path] = salts, number + len(added)
        return b"".join(added)


def _files(folder: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif not entry.is_symlink():
            yield entry.path


def _parts(name: str, content: bytes) -> Iterator[tuple[Kind, str, bytes]]:
    """What is in a file; of an archive, what is in each of its members."""
    if content.startswith(b"\x1f\x8b"):
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
                for member in archive:
                    inside = archive.extractfile(member)
                    if inside is not None:
                        yield from _parts(f"{name}/{member.name}", inside.read(MOST_READ))
        except (tarfile.TarError, EOFError, OSError):
            # A damaged one is part of a test.
            yield "file", name, content
        return
    store = content.startswith(b"SQLite format 3") or name.endswith(("-wal", JOURNAL))
    yield ("item" if store else "file"), name, content


FOLDERS: Final = Folders()
