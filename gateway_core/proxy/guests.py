"""On whose behalf a session at a legacy server is opened, from what a request says of its client. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway_core.protocol import outbound
from gateway_core.protocol.bridge import capabilities
from gateway_core.protocol.inbound import Call
from gateway_core.protocol.session import ASKABLE, MAX_NAME, Session
from gateway_core.protocol.versions import META_CLIENT_CAPABILITIES, META_CLIENT_INFO
from gateway_core.proxy.place import Place
from gateway_core.upstream.sessions import Guest, UpstreamSession


def meta_of(call: Call) -> Mapping[str, Any]:
    """`_meta` of a request."""
    params = call.message.get("params", {})
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def modern_guest(call: Call, place: Place) -> Guest:
    """For a modern client, which says with each request who it is and what it can be asked."""
    declared, info = meta_of(call).get(META_CLIENT_CAPABILITIES), meta_of(call).get(META_CLIENT_INFO)
    known = capabilities.client_to_legacy(declared if isinstance(declared, dict) else {})
    client = info if isinstance(info, dict) else outbound.GATEWAY
    return Guest(place.caller.principal, client, askable(place, known), account=place.account)


def legacy_guest(place: Place) -> Guest:
    """For a legacy client, which said so at initialize."""
    if place.session is None:
        return nobody(place)
    known = askable(place, place.session.capabilities)
    return Guest(place.caller.principal, place.session.client, known, place.session.version, place.account)


def nobody(place: Place) -> Guest:
    """For a client that is not known, or can be asked nothing."""
    return Guest(place.caller.principal, outbound.GATEWAY, {}, account=place.account)


def server_info_of(initialized: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The name and version by which a server introduced itself, small enough to be carried about."""
    info = initialized.get("serverInfo")
    if not isinstance(info, dict) or not {"name", "version"} <= info.keys():
        return None
    return {name: str(info[name])[:MAX_NAME] for name in ("name", "title", "version") if name in info}


def askable(place: Place, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What of a client's capabilities is passed on: nothing that asks, where nobody waits for answers."""
    return {name: value for name, value in declared.items() if place.ask_s or name not in ASKABLE}


def inside(place: Place, session: UpstreamSession, guest: Guest) -> Place:
    """`place` within a session that the gateway keeps."""
    kept = Session(guest.principal, place.server.id, session.session_id, session.version, guest.client,
                   guest.capabilities, 0)  # fmt: skip
    return place.in_session(kept)
