"""Passwords of the built-in sign-in: scrypt, in threads of their own, the same work for everybody."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, Final

from gateway_core.errors import TooManyRequests
from gateway_core.registry.members import plain_email

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 256
"""Characters. Long enough for any sentence; a bound, because every character is work."""
N: Final = 2**15
R: Final = 8
P: Final = 3
"""scrypt's cost as OWASP's password storage cheat sheet has it: 32 MiB and about 0.2 s for each try."""
SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
AT_ONCE: Final = 2
"""Tries worked on at the same time, 32 MiB each; others wait."""
MAX_WAITING: Final = 20
"""Tries that wait: the last of them for two seconds. More would only make everybody wait longer."""
BACK_IN_S: Final = 10
"""When somebody who was not let wait may try again."""

logger = logging.getLogger(__name__)

_NOBODYS: Final[Mapping[str, Any]] = {
    "scheme": "scrypt",
    "n": N,
    "r": R,
    "p": P,
    "salt": b64encode(bytes(SALT_BYTES)).decode(),
    "hash": "",
}


def password_problem(password: str, email: str) -> str | None:
    """Why this cannot be the password of whoever has that e-mail address, or None."""
    if len(password) < MIN_LENGTH:
        return f"A password has at least {MIN_LENGTH} characters. A sentence of a few words is a good one."
    if len(password) > MAX_LENGTH:
        return f"A password has at most {MAX_LENGTH} characters."
    if plain_email(password) == plain_email(email):
        # The first that anybody tries (NIST SP 800-63B, 3.1.1.2: context-specific words).
        return "Your e-mail address is no password: everybody knows it. A sentence of a few words is a good one."
    return None


class Passwords:
    """Makes and checks the records of passwords."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="scrypt")
        self._places = BoundedSemaphore(AT_ONCE + MAX_WAITING)

    async def record(self, password: str) -> dict[str, Any]:
        """What is stored of a password: the scheme with its parameters, a new salt, and the hash, as a JSON object.

        Raises:
            TooManyRequests: Too many wait already.
        """
        record = {**_NOBODYS, "salt": b64encode(secrets.token_bytes(SALT_BYTES)).decode()}
        made = await self._hash(password, record)
        return {**record, "hash": b64encode(made).decode()}

    async def matches(self, password: str, record: Mapping[str, Any] | None) -> bool:
        """Whether `password` is the one of `record`; without a record False, after the same work.

        Raises:
            TooManyRequests: Too many wait already; nothing was tried.
        """
        known = record or _NOBODYS
        made = await self._hash(password[:MAX_LENGTH], known)
        same = hmac.compare_digest(made, b64decode(known["hash"]))
        return same and record is not None and len(password) <= MAX_LENGTH

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown()

    async def _hash(self, password: str, record: Mapping[str, Any]) -> bytes:
        if not self._places.acquire(blocking=False):
            logger.warning("throttled", extra={"fields": {"what": "password_checks"}})
            raise TooManyRequests(
                "Many people sign in at this moment. Try again in a few seconds.", retry_after_s=BACK_IN_S
            )
        working = self._threads.submit(_scrypt, password, record)
        # When the work is done, not when the wait for it ends: a thread works on for somebody who has left.
        working.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(working)


def _scrypt(password: str, record: Mapping[str, Any]) -> bytes:
    # Keyboards spell é in two ways; NFKC makes them one (NIST SP 800-63B, 3.1.1.2).
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    n, r, p = record["n"], record["r"], record["p"]
    memory = 128 * r * (n + p + 2)
    return hashlib.scrypt(plain, salt=b64decode(record["salt"]), n=n, r=r, p=p, maxmem=memory, dklen=KEY_BYTES)
