"""`ports.DataKeys` by the key ring of one machine."""

from gateway_core.errors import Invalid, KeyRefused
from gateway_core.ports import Keyring
from gateway_core.sealing import KEY_BYTES, RandomBytes


class LocalDataKeys:
    """See ports.DataKeys. After a rotation of the ring new keys are wrapped with its new one; all can be unwrapped.

    Args:
        keyring: Wraps them.
        random_bytes: Makes them.
    """

    def __init__(self, keyring: Keyring, random_bytes: RandomBytes) -> None:
        self._keyring = keyring
        self._random_bytes = random_bytes

    async def make(self, context: str) -> tuple[bytes, bytes]:
        """See ports.DataKeys.make."""
        plain = self._random_bytes(KEY_BYTES)
        try:
            return plain, await self._keyring.seal(plain, context=_context(context))
        except Invalid as error:
            raise KeyRefused(error.message) from error

    async def unwrap(self, wrapped: bytes, context: str) -> bytes | None:
        """See ports.DataKeys.unwrap."""
        try:
            return await self._keyring.open(wrapped, context=_context(context))
        except Invalid as error:
            raise KeyRefused(error.message) from error


def _context(context: str) -> str:
    """Unlike that of anything else the ring seals."""
    return f"data-key/{context}"
