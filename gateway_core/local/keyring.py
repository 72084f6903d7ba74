"""`ports.Keyring` with its keys in a file that only this user can read, made at first use."""

import os
from contextlib import suppress
from pathlib import Path

from gateway_core.errors import Invalid, StoreUnavailable
from gateway_core.sealing import NONCE_BYTES, RandomBytes, Ring, new_ring, read_ring, ring_text


class LocalKeyring:
    """See ports.Keyring.

    Args:
        path: The key file. Whoever has it and the database can read every secret in there.
        random_bytes: Makes keys and nonces.

    Every method raises `Invalid` when the file is no key file, and `StoreUnavailable` when it cannot be read or made.
    """

    def __init__(self, path: Path, *, random_bytes: RandomBytes) -> None:
        self._path = path
        self._random_bytes = random_bytes
        self._ring: Ring | None = None
        self._read_from: tuple[int, int] | None = None

    async def seal(self, plain: bytes, *, context: str) -> bytes:
        """See ports.Keyring.seal."""
        # A restore may have put another file there: what the old keys seal now, nobody could open after a restart.
        ring = self._ring if self._ring and self._unchanged() else self._read()
        return ring.seal(plain, context=context, nonce=self._random_bytes(NONCE_BYTES))

    async def open(self, sealed: bytes, *, context: str) -> bytes | None:
        """See ports.Keyring.open."""
        ring = self._ring or self._read()
        if ring.lacks_key_of(sealed):
            # Another process may have rotated or restored; a made-up key costs one read of a small file.
            ring = self._read()
        return ring.open(sealed, context=context)

    async def rotate(self) -> None:
        """Seal with a new key from now on; the others open what they sealed. For one operator at a time.

        Other processes follow when they meet the new key.
        """
        ring = self._read().rotated(self._random_bytes)
        try:
            self._draft(ring).replace(self._path)
        except OSError as error:
            raise StoreUnavailable(f"The key file {self._path} cannot be written: {error.strerror}.") from error
        self._read()

    def _unchanged(self) -> bool:
        try:
            return self._read_from == _identity(self._path.stat())
        except OSError:
            return False

    def _read(self) -> Ring:
        try:
            if not self._path.exists():
                self._make()
            with self._path.open() as file:
                self._read_from = _identity(os.fstat(file.fileno()))
                self._ring = read_ring(file.read())
        except OSError as error:
            raise StoreUnavailable(f"The key file {self._path} cannot be used: {error.strerror}.") from error
        except ValueError as error:
            raise Invalid(
                f"{self._path} is no key file ({error}). Restore it from a backup: without it, what was sealed is lost."
            ) from error
        return self._ring

    def _make(self) -> None:
        """Make the file, whole at once; another process that does the same at this moment may win."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._draft(new_ring(self._random_bytes))
        try:
            with suppress(FileExistsError):
                self._path.hardlink_to(draft)
        finally:
            draft.unlink()

    def _draft(self, ring: Ring) -> Path:
        path = self._path.with_name(f".{self._path.name}.{self._random_bytes(8).hex()}")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(ring_text(ring))
            file.flush()
            os.fsync(file.fileno())
        return path


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_ino, file.st_mtime_ns
