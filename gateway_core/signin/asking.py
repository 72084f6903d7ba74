"""Questions to the identity provider: short, bounded, JSON, through the one door for outbound HTTP."""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core import json_text
from gateway_core.egress import Egress
from gateway_core.errors import BadRequest, SignInFailed, UpstreamError

ANSWER_S: Final = 8.0
"""Longest wait for one answer. Sign-in asks up to four times, a browser waits half a minute."""
MAX_BYTES: Final = 256 * 1024
"""Largest answer. Documents and key sets have 2 to 30 KB; an ID token with hundreds of groups as much."""
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asking:
    """The way to the identity provider."""

    egress: Egress
    answer_s: float = ANSWER_S

    async def get(self, url: str, *, what: str, bearer: str | None = None) -> Mapping[str, Any]:
        """The JSON object at `url`.

        Args:
            url: Asked once; redirects are not followed.
            what: A word for the log.
            bearer: Access token that goes along.

        Raises:
            SignInFailed: Anything but a 200 with a JSON object, in time and within bounds.
        """
        headers = [("accept", "application/json")]
        if bearer is not None:
            headers.append(("authorization", f"Bearer {bearer}"))
        return await self._ask("GET", url, headers, b"", what)

    async def post(self, url: str, form: str, *, what: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
        """The JSON object that answers a form. See `get`."""
        sent = [
            ("accept", "application/json"),
            ("content-type", "application/x-www-form-urlencoded"),
            *headers.items(),
        ]
        return await self._ask("POST", url, sent, form.encode(), what)

    async def _ask(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, what: str
    ) -> Mapping[str, Any]:
        deadline = asyncio.get_running_loop().time() + self.answer_s
        try:
            async with await self.egress.send(
                method, url, headers, body, deadline=deadline, max_bytes=MAX_BYTES
            ) as response:
                status, text = response.status, await response.read()
        except UpstreamError as error:
            raise unusable(what, error.reason) from None
        try:
            data = json_text.parse(text)
        except BadRequest:
            data = None
        if status != 200:
            raise unusable(what, f"status {status}{_told(data)}")
        if not isinstance(data, dict):
            raise unusable(what, "no JSON object")
        return data


def unusable(what: str, why: str) -> SignInFailed:
    """The provider did not give what sign-in needs. `why` goes to the log alone, and holds nothing it was sent."""
    logger.warning("identity_provider_unusable", extra={"fields": {"what": what, "why": why}})
    return SignInFailed(
        "The identity provider did not give an answer that can be used. Try again in a minute; if it goes on, "
        "tell whoever runs this gateway.",
        reason="identity_provider_unusable",
    )


def distrusted(why: str) -> SignInFailed:
    """The provider's answer must not be believed. `why` goes to the log alone: a fixed word, nothing of the answer."""
    logger.warning("identity_provider_distrusted", extra={"fields": {"why": why}})
    return SignInFailed(
        "The identity provider's answer cannot be trusted, so nobody was signed in. Start again; if it goes on, "
        "tell whoever runs this gateway.",
        reason="identity_provider_distrusted",
    )


def _told(data: Any) -> str:
    """The OAuth error code, for the operator: `invalid_client` is a wrong secret (RFC 6749, section 5.2)."""
    error = data.get("error") if isinstance(data, dict) else None
    return f" {error}" if isinstance(error, str) and _WORD.fullmatch(error) else ""
