"""Secret values that ways of authentication name, kept in memory for a while."""

from typing import Final

from gateway_core.errors import Refused
from gateway_core.ports import Clock, Secrets
from gateway_core.registry.servers import UPSTREAM_SECRETS

FRESH_S: Final = 300
"""How long a secret is used before it is read again: it may be rotated outside the gateway."""
MAX_HELD: Final = 2_000


class HeldSecrets:
    """Secret values in memory: re-read when the registry changes, after `FRESH_S`, and when an upstream says 401.

    Args:
        secrets: Where they are kept.
        clock: Decides when a value is read again.
    """

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._held: dict[str, tuple[str | None, str, int]] = {}

    async def get(self, name: str, revision: str) -> str | None:
        """The value as of `revision` of the registry; None when there is none."""
        value, read_for, read_at = self._held.get(name, (None, "", 0))
        if read_for == revision and self._clock() - read_at < FRESH_S:
            return value
        return await self.read(name, revision)

    async def read(self, name: str, revision: str) -> str | None:
        """The value as it is now."""
        value = await self._secrets.get(UPSTREAM_SECRETS + name)
        if len(self._held) >= MAX_HELD:
            self._held.clear()
        self._held[name] = (value, revision, self._clock())
        return value


def secret_missing(server_name: str, name: str) -> Refused:
    """What a caller hears where a secret is named that nobody has set."""
    return Refused(
        f"{server_name} needs the secret {name!r}, which is not set. "
        f"An administrator sets it with: gatehouse secrets set {name}",
        reason="secret_missing",
    )
