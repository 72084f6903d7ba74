"""`ports.DataKeys` by AWS KMS: one key of the account makes and unwraps them, and never leaves KMS."""

import logging
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final

from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.sending import AwsError
from gateway_core.errors import KeyRefused, StoreUnavailable

CONTEXT: Final = "gatehouse:place"
"""Name of the one pair in the encryption context, which the roles of the stack are bound to (`template.yaml`).
CloudTrail shows the pair with every use."""

_FOREIGN: Final = frozenset({"IncorrectKeyException", "InvalidCiphertextException"})
"""It was altered, or wrapped under another key or context (AWS KMS API Reference, Decrypt)."""
_REFUSALS: Final = frozenset({
    "AccessDeniedException",
    "DisabledException",
    "InvalidKeyUsageException",
    "KMSInvalidStateException",
    "NotFoundException",
    "ValidationException",
})  # fmt: skip
"""The role or the key itself stands in the way, until somebody changes that."""

logger = logging.getLogger(__name__)


class KmsDataKeys:
    """See ports.DataKeys.

    Args:
        api: Signed calls.
        key_id: The KMS key, as ARN, id or alias. It is named when unwrapping, too, so that nothing is accepted that
            another key wrapped.
    """

    def __init__(self, api: JsonApi, *, key_id: str) -> None:
        self._api = api
        self._key_id = key_id

    async def make(self, context: str) -> tuple[bytes, bytes]:
        """See ports.DataKeys.make."""
        answer = await self._call("GenerateDataKey", context, {"KeySpec": "AES_256"})
        return b64decode(answer["Plaintext"]), b64decode(answer["CiphertextBlob"])

    async def unwrap(self, wrapped: bytes, context: str) -> bytes | None:
        """See ports.DataKeys.unwrap."""
        try:
            answer = await self._call("Decrypt", context, {"CiphertextBlob": b64encode(wrapped).decode()})
        except AwsError:
            return None
        return b64decode(answer["Plaintext"])

    async def _call(self, operation: str, context: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer; `AwsError` only for what this key did not wrap for this context."""
        asked = {"KeyId": self._key_id, "EncryptionContext": {CONTEXT: context}, **request}
        try:
            return await self._api.call("kms", operation, asked)
        except AwsError as error:
            if error.code in _FOREIGN:
                raise
            if error.code not in _REFUSALS:
                raise StoreUnavailable(f"KMS did not answer ({error.code}).") from error
            # KMS names role and key in its text: that is for the operator alone.
            facts = {"operation": operation, "place": context, "code": error.code, "kms_says": error.message}
            logger.error("kms_refused", extra={"fields": facts})  # noqa: TRY400 - the trace tells nothing more
            raise KeyRefused(
                f"KMS does not let the gateway use its key ({error.code}), so connected accounts cannot be read. "
                "An operator finds the reason in the log, under kms_refused."
            ) from error
