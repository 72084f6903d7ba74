"""Who is behind a request: from headers to a `Caller`, in one consistent read."""

from dataclasses import dataclass
from typing import Final

from gateway_core.access import api_keys
from gateway_core.access.callers import Caller
from gateway_core.errors import StoreUnavailable, TwoCredentials, Unauthenticated
from gateway_core.headers import Headers
from gateway_core.ports import Clock, Item, Key, Table
from gateway_core.registry.workspaces import Organisation, organisation_from_data
from gateway_core.storage import keys

KEY_HEADERS: Final = ("x-portkey-api-key", "x-api-key")
"""Where clients put an API key besides `Authorization: Bearer`."""
MAX_CREDENTIAL: Final = 512
"""Characters; a longer value cannot be a credential of ours."""


@dataclass(frozen=True, slots=True)
class Identify:
    """Authentication. Any doubt is a refusal: an exception here must never leave a caller behind."""

    table: Table
    clock: Clock

    async def __call__(self, headers: Headers, *also: Key) -> tuple[Caller, Organisation, list[Item | None]]:
        """The caller, the organisation as it stands, and the items under `also`, from one round trip to the store.

        Raises:
            TwoCredentials: Headers disagree about the credential.
            Unauthenticated: None, or one that is unknown, expired or revoked.
            StoreUnavailable: Nobody can be let in.
        """
        token = credential(headers)
        workspace_id, key_id = api_keys.locate(token)
        wanted = [keys.api_key(workspace_id, key_id), keys.organisation_head(), *also]
        found, head, *rest = await self.table.get_many(wanted)
        key = None if found is None else api_keys.from_data(found.data)
        caller = api_keys.caller_of(token, key, self.clock())
        if head is None:
            raise StoreUnavailable(
                "The registry has no organisation yet. An administrator sets it up with: gatehouse apply"
            )
        return caller, organisation_from_data(head.data), rest


def credential(headers: Headers) -> str:
    """The one credential of a request.

    Raises:
        TwoCredentials: Two headers carry different ones, or one header carries several.
        Unauthenticated: There is none.
    """
    found = {headers.get(name) for name in KEY_HEADERS} - {None}
    authorization = headers.get("authorization")
    if authorization is not None:
        found.add(_bearer(authorization))
    if len(found) > 1 or headers.repeated & {"authorization", *KEY_HEADERS}:
        raise TwoCredentials("This request carries more than one credential. Send one: Authorization: Bearer ghk_…")
    token = next(iter(found), None)
    if not token:
        raise Unauthenticated(
            "This gateway needs a credential. Send an API key as the header 'Authorization: Bearer ghk_…'; "
            "an administrator makes one with: gatehouse keys create",
            reason="no_credential",
        )
    if len(token) > MAX_CREDENTIAL:
        raise Unauthenticated("The credential is too long to be one of this gateway's.", reason="malformed_credential")
    return token


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if "," in authorization or " " in token:
        raise TwoCredentials("The Authorization header carries more than one credential. Send: Bearer ghk_…")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The Authorization header must read: Bearer ghk_…", reason="malformed_credential")
    return token
