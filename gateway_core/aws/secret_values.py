"""Values in Secrets Manager under their full names. Caches nothing, and never gives up a value for good at once."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway_core.aws.json_api import JsonApi
from gateway_core.aws.sending import AwsError
from gateway_core.errors import StoreUnavailable

RECOVERY_DAYS: Final = 7
"""How long a deleted value can be brought back; the least that Secrets Manager offers."""

_MISSING: Final = "ResourceNotFoundException"
_EXISTS: Final = "ResourceExistsException"
_DELETED: Final = "InvalidRequestException"
"""What every operation says while a value waits for its deletion (Secrets Manager API Reference)."""


class SecretValues:
    """Secret texts by full name. Every method raises `StoreUnavailable` when Secrets Manager does not answer.

    Args:
        api: Signed calls.
        kms_key_id: The key that encrypts new values; "" for the account's own.
        new_id: A random word of 32 to 64 characters, another one each time.
    """

    def __init__(self, api: JsonApi, *, kms_key_id: str, new_id: Callable[[], str]) -> None:
        self._api = api
        self._kms_key_id = kms_key_id
        self._new_id = new_id

    async def read(self, name: str) -> str | None:
        """The value, or None."""
        try:
            return str((await self._call("GetSecretValue", {"SecretId": name}))["SecretString"])
        except AwsError:
            return None

    async def create(self, name: str, value: str) -> bool:
        """Make a new one; False when there is one already, or one that waits for its deletion."""
        request = {"Name": name, "SecretString": value, "ClientRequestToken": self._new_id()}
        if self._kms_key_id:
            request["KmsKeyId"] = self._kms_key_id
        try:
            await self._call("CreateSecret", request)
        except AwsError:
            return False
        return True

    async def write(self, name: str, value: str) -> None:
        """Create or replace; one that waits for its deletion is brought back first."""
        kept = await self._described(name)
        if kept is None and await self.create(name, value):
            return
        if kept and kept.get("DeletedDate"):
            await self._strictly("RestoreSecret", {"SecretId": name})
        request = {"SecretId": name, "SecretString": value, "ClientRequestToken": self._new_id()}
        await self._strictly("PutSecretValue", request)

    async def delete(self, name: str) -> bool:
        """Remove it, with time to bring it back; False when there was none."""
        kept = await self._described(name)
        if kept is None or kept.get("DeletedDate"):
            return False
        await self._strictly("DeleteSecret", {"SecretId": name, "RecoveryWindowInDays": RECOVERY_DAYS})
        return True

    async def names(self, prefix: str) -> list[str]:
        """Every full name that starts with `prefix`, sorted, without those that wait for deletion."""
        request: dict[str, Any] = {"Filters": [{"Key": "name", "Values": [prefix]}], "MaxResults": 100}
        names: list[str] = []
        while True:
            answer = await self._strictly("ListSecrets", request)
            # The service's own filter ignores case.
            names += [entry["Name"] for entry in answer["SecretList"] if entry["Name"].startswith(prefix)]
            if not answer.get("NextToken"):
                return sorted(names)
            request["NextToken"] = answer["NextToken"]

    async def _described(self, name: str) -> dict[str, Any] | None:
        try:
            return await self._call("DescribeSecret", {"SecretId": name})
        except AwsError:
            return None

    async def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer; `AwsError` only for a value that is missing, exists, or waits for deletion."""
        try:
            return await self._api.call("secretsmanager", operation, request)
        except AwsError as error:
            if error.code in (_MISSING, _EXISTS, _DELETED):
                raise
            raise StoreUnavailable(f"Secrets Manager did not answer ({error.code}).") from error

    async def _strictly(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await self._call(operation, request)
        except AwsError as error:
            raise StoreUnavailable(f"Secrets Manager refused {operation} ({error.code}).") from error
