"""`requestState`: what the retry of a call needs to go on with it, sealed. Pure but for the key ring.

Bound to who asked, where, by what method and with which arguments, and good for as long as somebody may answer
(2026-07-28 mrtr, Server Requirements, items 4 and 5).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway_core.errors import BadRequest, UpstreamGarbage
from gateway_core.parts import part
from gateway_core.ports import Clock, Keyring
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import INVALID_PARAMS
from gateway_core.proxy.lines.remote import Address
from gateway_core.proxy.place import Place

MAX_STATE: Final = 16_384
STATEFUL: Final = ("inputResponses", "requestState")
"""Parameters by which a retry differs from its call."""
_NOT_OF_THE_CALL: Final = ("_meta", *STATEFUL)


class Held(NamedTuple):
    """A call that waits at its server for answers, in some process of the gateway."""

    box: str
    """Where what comes of it is put."""
    after: int
    """The last letter that the client has seen."""
    asked: Mapping[str, tuple[str | int, str]]
    """Key of `inputRequests` → id of the server's request and its method."""
    address: Address
    server_info: Mapping[str, Any] | None = None
    """What the server calls itself, for the `_meta` of what it answers."""


class Again(NamedTuple):
    """A call that was refused until something is done elsewhere: it is sent anew."""

    asked: tuple[str, ...]
    """Keys of `inputRequests`."""
    told: str = ""
    """What the client hears where that is not done; empty where the server itself has refused."""
    rounds: int = 0
    """How often the gateway itself has asked."""
    before: Mapping[str, Any] | None = None
    """What the call held of an earlier question, of the server's own: its state, and the answers."""


@part
class RequestStates:
    """Seals and opens."""

    keyring: Keyring
    clock: Clock

    async def seal(self, state: Held | Again, call: Call, place: Place, *, for_s: float) -> str:
        """The text that the client gives back with its answers, within `for_s`.

        Raises:
            UpstreamGarbage: The server's ids and names are too long to be carried in it.
        """
        told: dict[str, object] = {"until": self.clock() + int(for_s)}
        if isinstance(state, Held):
            at = state.address
            told |= {"box": state.box, "after": state.after, "asked": state.asked,
                     "at": [at.call_id, at.version, at.session_id, at.endpoint],
                     "server": state.server_info}  # fmt: skip
        else:
            told["again"] = state
        sealed = await self.keyring.seal(json.dumps(told).encode(), context=_context(call, place))
        text = base64.urlsafe_b64encode(sealed).decode()
        if len(text) > MAX_STATE:
            raise UpstreamGarbage(f"{place.server.name} asked under ids that are too long to be carried to the answer.")
        return text

    async def open(self, text: object, call: Call, place: Place) -> Held | Again | None:
        """The state that was sealed for this call of this caller; None where that is none, or not one of ours.

        Raises:
            BadRequest: It is too old.
        """
        told = await self._opened(text, call, place)
        if told is None:
            return None
        if self.clock() > told["until"]:
            late = "is too old: what it is about had to be answered earlier"
            raise _refused(f"{late}. What the server did since is unknown: check before you repeat it", call)
        if "again" in told:
            asked, *more = told["again"]
            return Again(tuple(asked), *more)
        waiting = {key: (ask_id, method) for key, (ask_id, method) in told["asked"].items()}
        return Held(told["box"], told["after"], waiting, Address(*told["at"]), told["server"])

    async def _opened(self, text: object, call: Call, place: Place) -> dict[str, Any] | None:
        if not isinstance(text, str) or len(text) > MAX_STATE or not text.isascii():
            return None
        try:
            sealed = base64.b64decode(text, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        plain = await self.keyring.open(sealed, context=_context(call, place))
        return None if plain is None else json.loads(plain)


def _context(call: Call, place: Place) -> str:
    params = {name: value for name, value in call.message.get("params", {}).items() if name not in _NOT_OF_THE_CALL}
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
    return f"state|{place.caller.principal}|{place.server.id}|{call.method}|{digest}"


def not_ours(call: Call) -> BadRequest:
    """What a client hears whose state was altered, is another call's or another caller's, or a server's own."""
    return _refused("is not one that this gateway gave for this request", call)


def _refused(why: str, call: Call) -> BadRequest:
    told = f"requestState {why}. Send the request again without it to start anew."
    return BadRequest(told, code=INVALID_PARAMS, reason="request_state_refused").of(call.id)
