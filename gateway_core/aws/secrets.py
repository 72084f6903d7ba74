"""`ports.Secrets` in Secrets Manager, one secret for each name."""

from typing import Final

from gateway_core.aws.secret_values import SecretValues
from gateway_core.errors import StoreUnavailable
from gateway_core.ports import Clock
from gateway_core.storage.secret_names import check_secret, named

STALE_S: Final = 3600
"""How long a value that was read once is given out while Secrets Manager does not answer."""


class AwsSecrets:
    """See ports.Secrets. Each `get` reads what is kept now: whoever asks often holds the answer, and knows when to ask.

    Args:
        values: Where they are kept.
        prefix: Their names in Secrets Manager start with this.
        clock: Decides what is too old to be given out.
    """

    def __init__(self, values: SecretValues, *, prefix: str, clock: Clock) -> None:
        self._values = values
        self._prefix = prefix
        self._clock = clock
        self._last: dict[str, tuple[str, int]] = {}

    async def get(self, name: str) -> str | None:
        """See ports.Secrets.get. While Secrets Manager does not answer, what it answered last, up to `STALE_S` old."""
        if not named(name):
            return None
        try:
            value = await self._values.read(self._prefix + name)
        except StoreUnavailable:
            last, read_at = self._last.get(name, ("", 0))
            if self._clock() - read_at >= STALE_S:
                raise
            return last
        self._remember(name, value)
        return value

    async def put(self, name: str, value: str) -> None:
        """See ports.Secrets.put."""
        check_secret(name, value)
        await self._values.write(self._prefix + name, value)
        self._remember(name, value)

    async def delete(self, name: str) -> bool:
        """See ports.Secrets.delete. It can be brought back for seven days, by an operator or by `put`."""
        if not named(name):
            return False
        self._remember(name, None)
        return await self._values.delete(self._prefix + name)

    async def names(self) -> list[str]:
        """See ports.Secrets.names."""
        found = [full.removeprefix(self._prefix) for full in await self._values.names(self._prefix)]
        return [name for name in found if named(name)]

    def _remember(self, name: str, value: str | None) -> None:
        if value is None:
            self._last.pop(name, None)
        else:
            self._last[name] = (value, self._clock())
