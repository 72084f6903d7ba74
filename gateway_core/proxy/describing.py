"""What the record of a call says of it, and whether it may go on."""

from gateway_core.access.policy import Decision
from gateway_core.errors import Refused
from gateway_core.protocol.inbound import Call
from gateway_core.proxy.place import Place
from gateway_core.telemetry import MAX_RECORDED


def allow(decision: Decision) -> None:
    """Raise Refused where policy says no."""
    if decision.answer == "refused":
        raise Refused(decision.text, reason=decision.rule)


def describe(call: Call, place: Place) -> None:
    """Write down what is asked, by what."""
    record = place.record
    record.method, record.capability = call.method or call.kind, (call.capability or "")[:MAX_RECORDED]
    record.era_in = record.era_out = call.era
    record.call_id = call.id if call.kind == "request" else None
    # The head of these says more than their events: a session id, a status that makes clients fall back.
    record.may_stream = call.kind == "request" and call.method not in ("initialize", "server/discover")
    registered = record.client
    record.client, record.client_version = call.client
    if not record.client:
        known = place.session.name if place.session is not None else ("", "")
        agent = place.request.headers.get("user-agent") or ""
        record.client, record.client_version = known if known[0] else _from_agent(agent)
    if not record.client:
        record.client = registered


def _from_agent(agent: str) -> tuple[str, str]:
    name, _, version = agent.partition(" ")[0].partition("/")
    return name[:64], version[:32]
