"""Which arguments of which tools a modern server wants repeated in headers, for clients that do not know the custom.

The schemas are the server's own and are learnt from its list of tools, once per process until they age
(2026-07-28 streamable-http, Custom Headers from Tool Parameters).
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Final

from gateway_core.errors import UpstreamGarbage
from gateway_core.parts import part
from gateway_core.protocol import outbound, param_headers
from gateway_core.protocol.param_headers import Path
from gateway_core.proxy.answering import whole_answer
from gateway_core.proxy.place import Place
from gateway_core.upstream.client import UpstreamClient

SHORTEST_S, LONGEST_S = 60.0, 3_600.0
"""Bounds of how long a list is believed, whatever its `ttlMs` says."""
MAX_PAGES: Final = 20
MAX_HELD: Final = 500

Paths = Mapping[str, Mapping[Path, str]]


@part
class ToolHeaders:
    """One per process."""

    upstream: UpstreamClient
    _held: dict[tuple[str, str, str, str], tuple[Paths, float]] = field(default_factory=dict)

    async def fields(self, place: Place, message: Mapping[str, Any], *, fresh: bool = False) -> list[tuple[str, str]]:
        """The `Mcp-Param-…` headers of a modern request; none for anything but `tools/call`.

        Args:
            place: Where the request goes.
            message: The request.
            fresh: Ask the server again, whatever is known.

        Raises:
            UpstreamError: The list of tools cannot be had.
        """
        params = message["params"]
        if message["method"] != "tools/call" or not isinstance(params.get("arguments"), dict):
            return []
        paths = (await self._paths(place, fresh=fresh)).get(str(params.get("name")), {})
        try:
            return param_headers.fields(paths, params["arguments"])
        except ValueError as error:
            raise UpstreamGarbage(f"An argument cannot be sent as {place.server.name} wants it: {error}.") from None

    async def _paths(self, place: Place, *, fresh: bool) -> Paths:
        key = (place.server.id, place.server.url, place.caller.principal, place.account)
        paths, until = self._held.get(key, ({}, 0.0))
        if fresh or time.monotonic() >= until:
            paths, for_s = await self._listed(place)
            if len(self._held) >= MAX_HELD:
                self._held.clear()
            self._held[key] = (paths, time.monotonic() + for_s)
        return paths

    async def _listed(self, place: Place) -> tuple[Paths, float]:
        found: dict[str, Mapping[Path, str]] = {}
        cursor, for_s = None, SHORTEST_S
        for _ in range(MAX_PAGES):
            page = await self._page(place, cursor)
            listed = page.get("tools")
            for tool in listed if isinstance(listed, list) else []:
                if isinstance(tool, dict):
                    found[str(tool.get("name"))] = _paths_of(tool)
            ttl_ms, cursor = page.get("ttlMs"), page.get("nextCursor")
            if isinstance(ttl_ms, int):
                for_s = min(max(for_s, ttl_ms / 1000), LONGEST_S)
            if not isinstance(cursor, str):
                break
        return {name: paths for name, paths in found.items() if paths}, for_s

    async def _page(self, place: Place, cursor: str | None) -> Mapping[str, Any]:
        params = {} if cursor is None else {"cursor": cursor}
        call = outbound.own_call("tools/list", params, call_id="gatehouse-tools")
        deadline = place.deadline(asyncio.get_running_loop().time(), place.server.timeout_s)
        dialect = place.sessionless().within(call.version, None)
        response = await self.upstream.post(place.server, call, dialect, deadline=deadline)
        # On a record of its own: a server without a list of tools is no fault of the call.
        answer = await whole_answer(call, response, replace(place, record=place.record.part()))
        result = answer.value.get("result")
        return result if isinstance(result, dict) else {}


def _paths_of(tool: Mapping[str, Any]) -> Mapping[Path, str]:
    try:
        return param_headers.read(tool)
    except ValueError:
        # A tool that is left out of lists; whoever calls it all the same does so without headers.
        return {}
