"""What one request may cost, and what it never takes from its surroundings."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway_core.egress import Egress, Policy, dial
from gateway_core.egress.answer import MAX_HEAD_BYTES
from gateway_core.errors import UpstreamTooLarge, UpstreamUnreachable
from tests.certificates import Authority
from tests.evil import deaf_port
from tests.internet import PUBLIC_ADDRESS, Internet, Visit, internet, page
from tests.unit.egress.asking import Names, ask, opened

URL = "https://weather.example/mcp"
NAMES = ["93.184.215.1", "93.184.215.2", "93.184.215.3", "93.184.215.4", "93.184.215.5"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.found(tmp_path)


@pytest.fixture
async def net(authority: Authority) -> AsyncIterator[Internet]:
    async with internet(authority.serving("weather.example")) as found:
        yield found


@pytest.fixture
async def egress(net: Internet, authority: Authority) -> AsyncIterator[Egress]:
    async with opened(Policy(), ssl_context=authority.trusting()) as made:
        yield made


async def hang(*_: Any) -> Any:
    await asyncio.Event().wait()


async def given_up(egress: Egress, url: str) -> None:
    """The request is refused long before its deadline."""
    async with asyncio.timeout(5):
        with pytest.raises(UpstreamUnreachable, match="could not be reached"):
            await ask(egress, url, within=60)


async def test_a_resolver_a_connect_and_a_greeting_that_hang_are_given_up_after_three_seconds_each(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
):
    assert dial.CONNECT_S == 3.0
    monkeypatch.setattr(dial, "CONNECT_S", 0.05)
    async with opened(Policy(), resolver=hang) as egress:
        await given_up(egress, URL)
    async with deaf_port() as port, opened(Policy(loopback=True), ssl_context=authority.trusting()) as egress:
        await given_up(egress, f"https://127.0.0.1:{port}/")
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", hang, raising=False)
    async with opened(Policy(), resolver=Names({"weather.example": [[PUBLIC_ADDRESS]]})) as egress:
        await given_up(egress, URL)


async def test_of_a_name_with_many_addresses_four_are_tried(net: Internet, egress: Egress):
    net.names, net.down = {"weather.example": [NAMES]}, set(NAMES)
    await given_up(egress, URL)
    assert net.dialled == [(address, 443) for address in NAMES[:4]]


def headed(size: int) -> bytes:
    """An answer with `size` bytes of headers, counted as `MAX_HEAD_BYTES` does: names, values, and four for each."""
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n"
    taken = sum(len(line) + 2 for line in head.split(b"\r\n")[1:-1])
    return head + b"x: " + b"h" * (size - taken - 5) + b"\r\n\r\n{}"


async def test_headers_may_have_sixteen_kilobytes_and_not_one_byte_more(net: Internet, egress: Egress):
    assert MAX_HEAD_BYTES == 16_384
    net.answer = lambda visit: headed(MAX_HEAD_BYTES)
    assert await ask(egress, URL) == b"{}"
    net.answer = lambda visit: headed(MAX_HEAD_BYTES + 1)
    with pytest.raises(UpstreamTooLarge, match="headers of the server's answer are larger than 16 KiB"):
        await ask(egress, URL)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"])
async def test_no_proxy_and_no_password_of_the_surroundings_is_used(
    net: Internet, egress: Egress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    (tmp_path / ".netrc").write_text("machine weather.example login ana password word\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv(name, "http://proxy.example:3128")
    await ask(egress, URL)
    assert (net.asked, net.dialled) == (["weather.example"], [(PUBLIC_ADDRESS, 443)])
    assert net.visits[0].headers.keys() == {"host", "accept-encoding", "content-length"}


async def test_a_body_is_asked_for_as_it_is_and_no_redirect_is_followed_not_even_to_the_same_place(
    net: Internet, egress: Egress
):
    def again(visit: Visit) -> bytes:
        return page(b"", "307 Temporary Redirect", f"location: {URL}")

    net.answer = again
    async with await egress.send("GET", URL, [], deadline=asyncio.get_running_loop().time() + 5) as response:
        assert (response.status, response.headers["location"]) == (307, URL)
    assert [visit.headers["accept-encoding"] for visit in net.visits] == ["identity"]
