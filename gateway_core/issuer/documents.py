"""Fetching and keeping metadata documents of clients: bounded, through `egress`, never an error kept.

Whoever can send a person to `/authorize` chooses what is fetched here, so a fetch costs little, goes to public
addresses alone, and happens once for all who wait for the same document.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway_core import json_text
from gateway_core.egress import Egress
from gateway_core.errors import BadRequest, OAuthError, UpstreamError
from gateway_core.issuer.client import Client
from gateway_core.issuer.client_metadata import Unacceptable
from gateway_core.issuer.metadata_documents import client_of, host_of, is_document_url
from gateway_core.ports import Clock

MAX_BYTES: Final = 5 * 1024
"""The draft's own proposal, section 5; the largest seen has 800."""
TIMEOUT_S: Final = 5.0
"""For the whole of it: a person waits."""
MIN_TTL_S: Final = 300
MAX_TTL_S: Final = 86_400
DEFAULT_TTL_S: Final = 3_600
"""Where the answer does not say how long it is good."""
MAX_KEPT: Final = 500
"""Documents in memory, up to 5 KB each."""
MAX_AT_ONCE: Final = 8
"""Fetches under way in one process."""
KNOWN: Final = Path(__file__).with_name("known_documents.json")
"""Copies of the documents of widely used clients, by URL, each with where and when it was seen. They stand in where a
fetch fails: the draft, section 5, lets an authorization server know a document by other means."""

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,9})", re.IGNORECASE)

logger = logging.getLogger(__name__)


class _NotFetched(Exception):
    """No document came, whatever the reason; the text is public."""


class Documents:
    """One per process, on one event loop.

    Args:
        egress: Where requests go out; its policy should open public addresses only.
        clock: By which kept documents age.
        known: Copies that stand in for documents that cannot be fetched; those of `KNOWN` when None.
        timeout_s: For the whole of a fetch.
        max_kept: Documents in memory.
    """

    def __init__(
        self,
        egress: Egress,
        clock: Clock,
        known: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        max_kept: int = MAX_KEPT,
    ) -> None:
        self._max_kept = max_kept
        self._timeout_s = timeout_s
        self._egress = egress
        self._clock = clock
        self._known = known
        self._kept: dict[str, tuple[Client, int]] = {}
        self._fetching: dict[str, asyncio.Task[Client]] = {}

    async def get(self, url: str) -> Client:
        """The client that the document at `url` describes.

        Raises:
            OAuthError: invalid_client. No usable document; the message says why.
        """
        if not is_document_url(url):
            raise OAuthError("invalid_client", "The client_id is no URL of a client metadata document.", status=401)
        kept = self._kept.get(url)
        if kept is not None and self._clock() < kept[1]:
            return kept[0]
        task = self._fetching.get(url)
        if task is None:
            if len(self._fetching) >= MAX_AT_ONCE:
                copy = self._copies().get(url)
                if copy is not None:
                    # Whoever keeps us busy with slow documents keeps nobody else out who is well known.
                    return client_of(url, copy)
                raise OAuthError("temporarily_unavailable", "Too many clients sign in at once. Try again.", status=429)
            task = asyncio.create_task(self._found(url))
            self._fetching[url] = task
            task.add_done_callback(lambda done: self._forget(url, done))
        # Who stops waiting does not stop it for the others.
        return await asyncio.shield(task)

    def knows(self, url: str) -> bool:
        """True for the document of a client that comes with the gateway: of whose site it is, there is no doubt."""
        return url in self._copies()

    async def close(self) -> None:
        """Cut every connection."""
        await self._egress.close()

    async def _found(self, url: str) -> Client:
        try:
            try:
                document, ttl_s = await self._fetch(url)
            except _NotFetched as error:
                copy = self._copies().get(url)
                if copy is None:
                    raise Unacceptable("invalid_client", str(error)) from None
                # Not kept: the next one asks again.
                return client_of(url, copy)
            client = client_of(url, document)
        except Unacceptable as problem:
            logger.info("client_document_refused", extra={"fields": {"host": host_of(url), "why": problem.why}})
            words = f"The client metadata document at {host_of(url)} cannot be used: {problem.why.rstrip('.')}."
            raise OAuthError("invalid_client", words, status=401) from None
        self._kept.pop(url, None)
        if len(self._kept) >= self._max_kept:
            # The one fetched longest ago, and no other: whoever fills this up makes few be fetched anew.
            del self._kept[next(iter(self._kept))]
        self._kept[url] = (client, self._clock() + ttl_s)
        return client

    async def _fetch(self, url: str) -> tuple[dict[str, Any], int]:
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        accept = [("accept", "application/json")]
        try:
            response = await self._egress.send("GET", url, accept, deadline=deadline, max_bytes=MAX_BYTES)
            async with response:
                if response.status != 200:
                    raise _NotFetched(f"it was answered with status {response.status}")
                if "json" not in response.headers.get("content-type", "").partition(";")[0].lower():
                    raise _NotFetched("it is no JSON document")
                body = await response.read()
        except UpstreamError as error:
            raise _NotFetched(error.message) from None
        try:
            document = json_text.parse(body)
        except BadRequest:
            raise _NotFetched("it is no JSON that can be read in exactly one way") from None
        if not isinstance(document, dict):
            raise _NotFetched("it is no JSON object")
        return document, _ttl_s(response.headers.get("cache-control", ""))

    def _forget(self, url: str, done: asyncio.Task[Client]) -> None:
        self._fetching.pop(url, None)
        if not done.cancelled():
            # Looked at, so that nobody is told of an error that no waiter was left to hear.
            done.exception()

    def _copies(self) -> Mapping[str, Mapping[str, Any]]:
        if self._known is None:
            self._known = known_documents()
        return self._known


def known_documents() -> dict[str, dict[str, Any]]:
    """The bundled copies by URL."""
    entries = json.loads(KNOWN.read_text())
    return {entry["document"]["client_id"]: entry["document"] for entry in entries}


def _ttl_s(cache_control: str) -> int:
    found = _MAX_AGE.search(cache_control)
    if found is None:
        wanted = MIN_TTL_S if re.search(r"no-store|no-cache", cache_control, re.IGNORECASE) else DEFAULT_TTL_S
    else:
        wanted = int(found[1])
    return min(max(wanted, MIN_TTL_S), MAX_TTL_S)
