"""What a client carries for the gateway, session id and `requestState`, is AES-256-GCM: it shows and admits nothing."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway_core.access.endpoint import Endpoint
from gateway_core.headers import Headers
from gateway_core.local.data_folder import KEY_FILE
from gateway_core.sealing import Ring, read_ring
from tests.flows.crossing import HttpSse, Legacy, Modern
from tests.flows.stage import wondering
from tests.flows.upstreams import Json
from tests.flows.visitors import ACCEPTED, PATH, Cell, Crossing, LegacyVisitor, ModernVisitor, crossed, retry

ARGUMENTS: Json = {"city": "Castrop-Rauxel"}
CALL: Json = {"name": "forecast", "arguments": ARGUMENTS}
HEAD, NONCE, TAG = 5, 12, 16


def bytes_of(token: str) -> bytes:
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


def flips(data: bytes) -> Iterator[bytes]:
    """`data` with one bit of it turned, bit by bit."""
    for bit in range(len(data) * 8):
        yield data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def samples(data: bytes) -> list[bytes]:
    """One of them in each part: version, key, nonce, ciphertext, tag."""
    turned = list(flips(data))
    return [turned[8 * at] for at in (0, 1, HEAD, HEAD + NONCE, len(data) - TAG, len(data) - 1)]


def ring_of(folder: Path) -> Ring:
    return read_ring((folder / KEY_FILE).read_text())


def by_hand(ring: Ring, data: bytes, bound_to: str) -> Any:
    """What is in there, opened with nothing but the key and AES-256-GCM."""
    key, nonce = ring.keys[data[1:HEAD].hex()], data[HEAD : HEAD + NONCE]
    return json.loads(AESGCM(key).decrypt(nonce, data[HEAD + NONCE :], data[:HEAD] + bound_to.encode()))


async def owner(crossing: Crossing) -> tuple[str, str]:
    """The principal of the client and the id of its server."""
    exchange = crossing.gw.mcp.exchange
    found = await exchange.identify(Endpoint("research", "weather"), Headers(crossing.gw.headers(), frozenset()))
    server = await exchange.directory.server("weather", found.organisation.revision)
    assert server is not None
    return found.caller.principal, server.id


def check_nothing_shows(data: bytes, principal: str, server_id: str, crossing: Crossing) -> None:
    secrets = [crossing.upstream.url, "127.0.0.1", "weather", "Weather", server_id, *principal.split("/")]
    secrets += [*getattr(crossing.server, "known", ()), "forecast", *ARGUMENTS, *ARGUMENTS.values(), "elicitation"]
    for secret in secrets:
        # A word of two or three letters comes up in random bytes by itself.
        assert len(secret) < 4 or secret.encode() not in data


def check_every_bit_counts(ring: Ring, data: bytes, bound_to: str) -> None:
    assert ring.open(data, context=bound_to) is not None
    assert all(ring.open(turned, context=bound_to) is None for turned in flips(data))


@pytest.mark.parametrize("kind", [Legacy, Modern, HttpSse])
async def test_a_session_id_is_ciphertext_and_none_whose_bit_was_turned_is_a_session(tmp_path, kind):
    async with crossed(tmp_path, Cell(LegacyVisitor, kind), kind()) as crossing:
        token, (principal, server_id) = crossing.client.token, await owner(crossing)
        data, ring, bound_to = bytes_of(token), ring_of(tmp_path), f"session|{principal}|{server_id}"
        upstream_id, version, client, *_ = by_hand(ring, data, bound_to)
        assert upstream_id == next(iter(getattr(crossing.server, "known", ())), None)
        assert (version, client["name"]) == ("2025-11-25", "flow")
        check_nothing_shows(data, principal, server_id, crossing)
        check_every_bit_counts(ring, data, bound_to)
        for turned in samples(data):
            other = urlsafe_b64encode(turned).decode().rstrip("=")
            headers = crossing.gw.headers(mcp_session_id=other)
            ended = await crossing.gw.http.delete(crossing.gw.url + PATH, headers=headers)
            assert ended.status_code == 404
        assert (await crossing.client.call(ARGUMENTS))[-1]["result"]["content"][0]["text"] == "Sunny."


@pytest.mark.parametrize("kind", [Legacy, HttpSse])
async def test_a_request_state_is_ciphertext_and_none_whose_bit_was_turned_is_taken(tmp_path, kind):
    async with crossed(tmp_path, Cell(ModernVisitor, kind), kind(wondering)) as crossing:
        asked = (await crossing.client.ask("tools/call", CALL))["result"]
        data, ring, (principal, server_id) = bytes_of(asked["requestState"]), ring_of(tmp_path), await owner(crossing)
        digest = hashlib.sha256(json.dumps(CALL, sort_keys=True).encode()).hexdigest()
        bound_to = f"state|{principal}|{server_id}|tools/call|{digest}"
        assert set(by_hand(ring, data, bound_to)) == {"until", "box", "after", "asked", "at", "server"}
        check_nothing_shows(data, principal, server_id, crossing)
        check_every_bit_counts(ring, data, bound_to)
        for turned in samples(data):
            answered = {**retry(CALL, asked, ACCEPTED), "requestState": urlsafe_b64encode(turned).decode()}
            told = await crossing.client.ask("tools/call", answered, id=2)
            assert told["error"]["code"] == -32602
        assert crossing.server.replies == []
        done = await crossing.client.ask("tools/call", retry(CALL, asked, ACCEPTED), id=3)
        assert "accept" in done["result"]["content"][0]["text"]
