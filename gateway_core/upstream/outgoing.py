"""The headers of a request to an upstream: what of a caller's is passed on, and which counts where two are alike. Pure.

From first to last, the later one counts: passed on from the caller, the gateway's credential, the server's own
`headers`, who calls, and what the gateway itself speaks with the server in.
"""

from collections.abc import Iterable
from typing import Final

from gateway_core.errors import Refused
from gateway_core.headers import Headers
from gateway_core.protocol.header_values import TOKEN, sendable
from gateway_core.registry.forwarded import HeaderForwarding, unpassable
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import headers_of
from gateway_core.upstream.auth.asked import Fields

MAX_PASSED: Final = 50
"""Headers of one request that are passed on: as many as an allow-list may name."""
MAX_PASSED_SIZE: Final = 8_192
"""Characters of their names and values: with a credential and who calls beside them, all headers stay within the 16 KB
that common servers read."""


def passed_on(server: Server, headers: Headers, token_headers: frozenset[str]) -> Fields:
    """What of a caller's `headers` goes on to `server`, by the names that it goes under, in their order.

    Left behind, whatever the setting says: what is withheld from every server, under either name; what ends at the next
    hop; a header that came twice; a value that is not visible ASCII; and a name with an underscore, which many servers
    take for the name with a hyphen.

    Args:
        server: Where the request goes.
        headers: As they came.
        token_headers: Headers in which the gateway takes tokens of other issuers.

    Raises:
        Refused: There are too many, or they are too large.
    """
    forwarding = server.forward_headers
    if forwarding is None:
        return []
    kept = _kept_back(server, headers, token_headers)
    passed = sorted(
        (goes, headers.values[came])
        for came, goes in _chosen(forwarding, headers)
        if came not in headers.repeated and _free(came, kept) and _free(goes, kept) and sendable(headers.values[came])
    )
    size = sum(len(name) + len(value) for name, value in passed)
    if len(passed) > MAX_PASSED or size > MAX_PASSED_SIZE:
        raise _too_much(server, len(passed), size)
    return passed


def merged(*sources: Iterable[tuple[str, str]]) -> Fields:
    """The headers of all sources, each name once: that of the last source that has it. Names do not differ by case."""
    fields = {name.lower(): (name, value) for source in sources for name, value in source}
    return list(fields.values())


def _kept_back(server: Server, headers: Headers, token_headers: frozenset[str]) -> frozenset[str]:
    """Names that stay here because of this server or this request, spelled with hyphens."""
    hop = {name.strip().lower() for name in (headers.get("connection") or "").split(",")}
    told = set() if server.identity is None else {server.identity.sent_as}
    # Those of a setting count in any case, but one that is set with an underscore many servers take for its twin.
    own = {*headers_of(server.auth), *(header.name.lower() for header in server.headers)}
    return frozenset(name.replace("_", "-") for name in {*hop, *told, *own, *token_headers})


def _chosen(forwarding: HeaderForwarding, headers: Headers) -> Iterable[tuple[str, str]]:
    """Names of headers that are there, as they came and as they would go."""
    if forwarding.mode == "allowlist":
        return ((came, goes) for came, goes in forwarding.headers if came in headers.values)
    left = {came for came, _ in forwarding.headers}
    return ((name, name) for name in headers.values if name not in left)


def _free(name: str, kept: frozenset[str]) -> bool:
    return TOKEN.fullmatch(name) is not None and name not in kept and unpassable(name) is None


def _too_much(server: Server, count: int, size: int) -> Refused:
    told = (
        f"{count} headers of this request, of {size:,} characters, would be passed on to {server.name}, and at most "
        f"{MAX_PASSED} are, of {MAX_PASSED_SIZE:,} characters together. Send fewer, or let an administrator name those "
        "that it needs in its `forward_headers`."
    )
    return Refused(told, reason="too_much_to_pass_on")
