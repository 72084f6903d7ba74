"""One request to a gateway, and its whole answer. Bounded in bytes and in time: whoever answers may be anybody."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from gateway_core.cli.failing import CommandFailed

TIMEOUT_S: Final = 60.0
"""One request, from the first byte that is sent to the last one that is read."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Largest answer. On AWS a function cannot give more than 6 MB."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes


def ask(
    method: str, url: str, *, timeout_s: float = TIMEOUT_S, max_bytes: int = MAX_BYTES, **sent: Any
) -> Answer:  # fmt: skip
    """Send one request and read its answer to the end.

    Args:
        method: Of HTTP.
        url: Where to.
        timeout_s: When to give up, however far it is.
        max_bytes: The longest answer that is read.
        sent: What httpx2 takes to make a request: json, data, params, headers.

    Raises:
        CommandFailed: There is no such answer; the message says why.
    """
    parts = urlsplit(url)
    at = f"{parts.scheme}://{parts.netloc}"
    try:
        return asyncio.run(asyncio.wait_for(_asked(method, url, max_bytes, sent), timeout_s))
    except httpx2.ConnectError:
        raise _nobody(at) from None
    except TimeoutError:
        raise CommandFailed(
            f"The gateway at {at} did not answer within {timeout_s:g} seconds. What it did is unknown: look before you "
            "repeat a command that changes something."
        ) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise CommandFailed(f"The gateway at {at} did not answer: {error or type(error).__name__}") from None
    except UnicodeEncodeError:
        raise CommandFailed("One of the words of this command is not UTF-8 text.") from None


def direct(url: str) -> bool:
    """True for a gateway on this machine: it is reached directly, whatever proxy the environment names."""
    return urlsplit(url).hostname in LOOPBACK


async def _asked(method: str, url: str, max_bytes: int, sent: dict[str, Any]) -> Answer:
    # One limit over all of it: those of the client are for each read, and an answer in drips keeps within them.
    async with (
        httpx2.AsyncClient(timeout=None, trust_env=not direct(url), headers={"Accept-Encoding": "identity"}) as http,
        http.stream(method, url, **sent) as response,
    ):
        body = bytearray()
        # As it comes over the wire: a few bytes, unpacked, may be gigabytes.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > max_bytes:
                raise _too_large(url, max_bytes)
        return Answer(response.status_code, bytes(body))


def _nobody(at: str) -> CommandFailed:
    if not direct(at):
        return CommandFailed(f"No gateway answers at {at}. Is the address right, and can this machine reach it?")
    return CommandFailed(
        f"No gateway answers at {at}. Is it running? Start it with: make dev",
        "A gateway at another port or address is named by PORT, or by --url and --key.",
    )


def _too_large(url: str, max_bytes: int) -> CommandFailed:
    return CommandFailed(
        f"The answer of {url} is larger than {max_bytes >> 20} MiB, and was not read on: is this a Gatehouse gateway?",
        "A list that is really so long can be asked for in parts, with --workspace.",
    )
