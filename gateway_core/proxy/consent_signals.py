"""What a client gets in the place of an answer while its person has to connect an account. Nothing was sent to the
server, so that the same call may come again."""

import json
from typing import Final

from gateway_core.errors import ConsentRequired, Refused
from gateway_core.parts import part
from gateway_core.protocol import consent, reply
from gateway_core.protocol.bridge import Json, asks
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.reply import Reply
from gateway_core.protocol.versions import MODERN_STATUS
from gateway_core.proxy.place import Place
from gateway_core.proxy.request_state import STATEFUL, Again, RequestStates
from gateway_core.telemetry import outcome_of

KEY: Final = "authorize"
"""Of the one entry in `inputRequests`."""
MAX_ROUNDS: Final = 8
"""How often one call is answered with the question. The official SDKs give up after 10, without a word of the link."""
STATE_S: Final = 3_600.0
"""How long the question may stand. A link is good for less, but whoever comes back late has connected by then, or gets
another one."""


MAX_CARRIED: Final = 8_192
"""Characters of JSON that a call may hold of its server's own question; what is more is asked once more."""


@part
class ConsentSignals:
    """Stateless."""

    states: RequestStates

    async def reply(self, needed: ConsentRequired, call: Call, place: Place) -> Reply:
        """`needed`, in the way that the client understands.

        Raises:
            ConsentRequired: Nobody waits for a JSON-RPC answer.
            Refused: The client was asked often enough; the words hold the link.
        """
        if call.kind != "request":
            raise needed
        given = consent.signal(call, place.record.client, place.request.headers.get("user-agent") or "")
        place.record.fail(*outcome_of(needed))
        if given == "input_required":
            return await self._question(needed, call, place)
        code, data = consent.CODES[given], consent.data(needed, given)
        data |= {"reason": needed.reason, "requestId": place.record.request_id}
        status = MODERN_STATUS.get(code, 200) if call.era == "modern" else 200
        return Reply(status, reply.error(call.id, code, needed.message, data))

    async def _question(self, needed: ConsentRequired, call: Call, place: Place) -> Reply:
        before = await self.states.open(call.message["params"].get("requestState"), call, place)
        if not isinstance(before, Again):
            before = Again((), before=_of_the_server(call))
        if before.rounds == MAX_ROUNDS:
            raise Refused(needed.message, reason=needed.reason)
        again = Again((KEY,), needed.message, before.rounds + 1, before.before)
        state = await self.states.seal(again, call, place, for_s=STATE_S)
        return Reply(200, reply.result(call, asks.input_required({KEY: consent.question(needed)}, state)))


def _of_the_server(call: Call) -> Json | None:
    """The answers that a call brings to a question of its server, and the server's state: they must not get lost over
    a permission that ended in between."""
    params = call.message["params"]
    brought = {name: params[name] for name in STATEFUL if name in params}
    return brought if brought and len(json.dumps(brought)) <= MAX_CARRIED else None
