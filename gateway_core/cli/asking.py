"""One request to a gateway, and its whole answer. Bounded in bytes and in time: whoever answers may be anybody."""

import asyncio
import ssl
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
    except httpx2.ConnectError as error:
        raise (_untrusted(at, error) or _nobody(at)) from None
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
    settings: dict[str, Any] = {"trust_env": not direct(url), "verify": _trusted(url)}
    async with (
        httpx2.AsyncClient(timeout=None, headers={"Accept-Encoding": "identity"}, **settings) as http,
        http.stream(method, url, **sent) as response,
    ):
        body = bytearray()
        # As it comes over the wire: a few bytes, unpacked, may be gigabytes.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > max_bytes:
                raise _too_large(url, max_bytes)
        return Answer(response.status_code, bytes(body))


def _trusted(url: str) -> ssl.SSLContext | bool:
    """Whose certificates are believed: what the environment says of that holds for this machine as well, unlike what it
    says of proxies. False where the URL has no use for any."""
    if not url.lower().startswith("https:"):
        return False
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        raise CommandFailed(f"What SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error.strerror}.") from None


def _nobody(at: str) -> CommandFailed:
    if not direct(at):
        return CommandFailed(f"No gateway answers at {at}. Is the address right, and can this machine reach it?")
    return CommandFailed(
        f"No gateway answers at {at}. Is it running? Start it with: make dev",
        "A gateway at another port or address is named by PORT, or by --url.",
    )


def _untrusted(at: str, error: BaseException) -> CommandFailed | None:
    """What to say where somebody answers, but not so that we could be sure who; None where TLS was not the cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CommandFailed(
            f"The certificate of {at} is not trusted: {cause.verify_message.rstrip('.')}. Nothing was sent.",
            "Write the URL with the name that the certificate is for. If your organisation signs its own certificates, "
            "name the file of its authority with SSL_CERT_FILE.",
        )
    return CommandFailed(
        f"No secure connection to {at} could be made: {cause.reason or cause}. Does it speak https at this port?"
    )


def _too_large(url: str, max_bytes: int) -> CommandFailed:
    return CommandFailed(
        f"The answer of {url} is larger than {max_bytes >> 20} MiB, and was not read on: is this a Gatehouse gateway?",
        "A list that is really so long can be asked for in parts, with --workspace.",
    )
