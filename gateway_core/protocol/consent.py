"""How a client is told that its person has to connect an account: each era, and some programs, in a way of their own.
Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from gateway_core.errors import ConsentRequired
from gateway_core.protocol.bridge import Json, asks
from gateway_core.protocol.bridge.errors import ASKING
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.versions import (
    META_CLIENT_CAPABILITIES,
    MISSING_CLIENT_CAPABILITY,
    REFUSED_BY_POLICY,
    URL_ELICITATION_REQUIRED,
    Era,
)

Signal = Literal["input_required", "url_elicitation_required", "missing_capability", "refused"]
"""`input_required` is a result (2026-07-28 elicitation, URL Mode); the others are errors, see CODES."""

CODES: Final[Mapping[Signal, int]] = {
    "url_elicitation_required": URL_ELICITATION_REQUIRED,
    "missing_capability": MISSING_CLIENT_CAPABILITY,
    "refused": REFUSED_BY_POLICY,
}


class Quirk(NamedTuple):
    """What a program understands, whatever it declares."""

    client: str
    """As it calls itself."""
    agent: str
    """Part of its User-Agent; empty where that says nothing."""
    era: Era | None
    """Where it is so; None: in both."""
    signal: Signal


QUIRKS: Final = (
    # 1.0.102 declares elicitation.url and hands `input_required` to the model as it is; -32042 opens its dialog.
    Quirk("copilot-cli", "", None, "url_elicitation_required"),
    # 2.12.0 waits for ever after -32042.
    Quirk("inspector-cli", "", "legacy", "refused"),
    # 2.1.329 without a terminal (`claude -p`) answers -32042 for its person, with "no", and keeps the link to itself.
    Quirk("claude-code", "(sdk-cli", "legacy", "refused"),
)
OPENINGS: Final = frozenset({"initialize", "server/discover"})
"""Clients show an error of these in full; none opens a dialog for it."""
_URL_MODE: Final = "elicitation.url"


def signal(call: Call, client: str, agent: str) -> Signal:
    """What a client understands in the place of an answer to `call`. `agent` is its User-Agent."""
    if call.method in OPENINGS:
        return "refused"
    for quirk in QUIRKS:
        if client == quirk.client and quirk.agent in agent and quirk.era in (None, call.era):
            return quirk.signal
    if call.era == "legacy":
        return "url_elicitation_required"
    if call.method not in ASKING:
        # Only some requests may be answered with a question (2026-07-28 mrtr, Supported Requests).
        return "refused"
    declared = call.message["params"]["_meta"][META_CLIENT_CAPABILITIES]
    can = asks.lacking(declared if isinstance(declared, dict) else {}, "elicitation/create", {"mode": "url"}) is None
    return "input_required" if can else "missing_capability"


def question(needed: ConsentRequired) -> Json:
    """The one entry of `inputRequests`."""
    told = f"{needed.why} Open this page, then continue."
    return {"method": "elicitation/create", "params": {"mode": "url", "url": needed.url, "message": told}}


def data(needed: ConsentRequired, given: Signal) -> dict[str, Any]:
    """`data` of the error: what the specification demands of its code, and the link by its name alone, for programs
    that look for that."""
    asked = {"mode": "url", "elicitationId": needed.elicitation_id, "url": needed.url, "message": needed.why}
    told = {"elicitations": [asked], "authorization_url": needed.url, "authorizationUrl": needed.url}
    lacks = {"requiredCapabilities": asks.required(_URL_MODE)} if given == "missing_capability" else {}
    return told | lacks
