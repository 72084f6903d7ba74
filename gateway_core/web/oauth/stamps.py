"""Stamps: what a page hands to a session and takes back from it alone, within ten minutes. Nothing is stored."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.errors import BadRequest
from gateway_core.ports import Clock, Keyring

GOOD_FOR_S: Final = 600
"""How long a page may lie open before it is sent."""
MAX_STAMP: Final = 60_000
"""Characters; the longest authorization request makes about 30 000."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """Seals and opens stamps."""

    keyring: Keyring
    clock: Clock

    async def press(self, facts: Mapping[str, Any], *, context: str) -> str:
        """A stamp that holds `facts`; `context` says for what and for which session."""
        plain = json.dumps({"facts": facts, "until": self.clock() + GOOD_FOR_S}).encode()
        return base64.urlsafe_b64encode(await self.keyring.seal(plain, context=context)).decode()

    async def read(self, stamp: str | None, *, context: str) -> dict[str, Any]:
        """The facts of a stamp.

        Raises:
            BadRequest: Altered, of another session, or older than ten minutes.
        """
        sealed = _bytes_of(stamp or "")
        plain = None if sealed is None else await self.keyring.open(sealed, context=context)
        if plain is None:
            raise BadRequest(
                "This page belongs to another browser, or to a sign-in that has ended. Start again from your app.",
                reason="other_browser",
            )
        held: dict[str, Any] = json.loads(plain)
        if self.clock() >= held["until"]:
            raise BadRequest(
                "This page was open for more than ten minutes. Start again from your app.", reason="expired_page"
            )
        facts: dict[str, Any] = held["facts"]
        return facts


def _bytes_of(stamp: str) -> bytes | None:
    if not 0 < len(stamp) <= MAX_STAMP or not stamp.isascii():
        return None
    try:
        return base64.b64decode(stamp, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
