"""From a name to a connection: every address vetted, the vetted one dialled, the name kept for TLS."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway_core.egress import Egress, NotReached, Policy, read_networks
from gateway_core.errors import UpstreamClosed, UpstreamTimedOut, UpstreamUnreachable
from tests.certificates import Authority, self_signed
from tests.evil import Evil, closed_port, deaf_port, evil_upstream
from tests.evil_modes import ANSWER
from tests.unit.egress.asking import Names, ask, opened, post

PUBLIC_ADDRESS = "93.184.215.14"
GENERIC = r"^The server could not be reached\.$"


@asynccontextmanager
async def tls_upstream(
    serving: ssl.SSLContext, trusting: ssl.SSLContext, **names: list[Sequence[str]]
) -> AsyncIterator[tuple[Evil, Egress]]:
    """An upstream with a certificate, and an egress that finds it under weather.example."""
    async with evil_upstream(serving) as evil:
        resolver = Names({"weather.example": [["127.0.0.1"]], **names})
        policy = Policy(loopback=True, ports=(evil.port,))
        async with opened(policy, resolver=resolver, ssl_context=trusting) as egress:
            evil.host = "weather.example"
            yield evil, egress


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["fd00:ec2::254"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%eth0"],
        [PUBLIC_ADDRESS, "127.0.0.1"],
        ["127.0.0.1", PUBLIC_ADDRESS],
        [PUBLIC_ADDRESS] * 20 + ["169.254.170.2"],
        ["no address"],
        [],
    ],
    ids=str,
)
async def test_a_name_with_any_address_that_is_not_allowed_is_not_dialled_at_all(found: list[str]):
    async with evil_upstream() as evil:
        policy = Policy(ports=(evil.port,))
        async with opened(policy, resolver=Names({"rebind.example": [found]})) as egress:
            with pytest.raises(UpstreamUnreachable, match=GENERIC):
                await ask(egress, f"https://rebind.example:{evil.port}/")
        assert evil.connections == 0


async def test_a_name_that_changes_its_address_after_it_was_saved_is_refused_at_the_next_connect(authority: Authority):
    rebinding: list[Sequence[str]] = [["127.0.0.1"], ["169.254.169.254"]]
    serving, trusting = authority.serving("rebind.example"), authority.trusting()
    async with tls_upstream(serving, trusting, **{"rebind.example": rebinding}) as (evil, egress):
        url = evil.url("close-said", host="rebind.example")
        assert await ask(egress, url) == ANSWER
        with pytest.raises(UpstreamUnreachable, match=GENERIC):
            await ask(egress, url)
        assert len(evil.seen) == 1


async def test_one_connect_resolves_once_so_that_nothing_can_change_between_vetting_and_dialling(authority: Authority):
    resolver = Names({"weather.example": [["127.0.0.1"], ["169.254.169.254"]]})
    async with evil_upstream(authority.serving("weather.example")) as evil:
        policy = Policy(loopback=True, ports=(evil.port,))
        async with opened(policy, resolver=resolver, ssl_context=authority.trusting()) as egress:
            for _ in range(3):
                assert await ask(egress, evil.url("good", host="weather.example")) == ANSWER
    assert resolver.asked == ["weather.example"]


async def test_the_runtime_api_stays_shut_even_where_loopback_is_open():
    async with evil_upstream() as evil:
        policy = Policy(loopback=True, forbidden=frozenset({("127.0.0.1", evil.port)}))
        async with opened(policy, resolver=Names({"localhost": [["127.0.0.1"]]})) as egress:
            for host in ("127.0.0.1", "localhost", "x.localhost"):
                with pytest.raises(UpstreamUnreachable, match=GENERIC):
                    await ask(egress, f"http://{host}:{evil.port}/2018-06-01/runtime/invocation/next")
        assert evil.connections == 0


async def test_plain_http_goes_to_this_machine_alone_whatever_localhost_resolves_to():
    async with opened(Policy(loopback=True), resolver=Names({"localhost": [[PUBLIC_ADDRESS]]})) as egress:
        with pytest.raises(UpstreamUnreachable, match=GENERIC):
            await ask(egress, "http://localhost:3000/")


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://a.example/", "https://a.example:22/", "nonsense"])
async def test_a_saved_url_that_the_policy_no_longer_allows_is_refused_at_the_call(url: str):
    async with opened(Policy()) as egress:
        with pytest.raises(UpstreamUnreachable, match=GENERIC):
            await ask(egress, url)


async def test_an_endpoint_of_aws_is_reached_at_a_private_address_and_over_http():
    async with evil_upstream() as evil:
        url = f"http://dynamodb.internal:{evil.port}"
        async with opened(Policy.for_aws([url]), resolver=Names({"dynamodb.internal": [["127.0.0.1"]]})) as egress:
            assert await ask(egress, f"{url}/good") == ANSWER


async def test_the_certificate_is_checked_against_the_name_and_the_host_header_carries_it(authority: Authority):
    async with tls_upstream(authority.serving("weather.example"), authority.trusting()) as (evil, egress):
        for _ in range(3):
            assert await ask(egress, evil.url("echo"), b"hello") == b"hello"
        assert evil.seen[0].headers["host"] == f"weather.example:{evil.port}"
        assert evil.connections == 1


@pytest.mark.parametrize("fault", ["wrong host", "expired", "self-signed", "unknown authority"])
async def test_a_certificate_that_does_not_prove_the_name_ends_the_connection_before_a_byte_is_sent(
    authority: Authority, tmp_path: Path, fault: str
):
    serving = {
        "wrong host": lambda: authority.serving("other.example"),
        "expired": lambda: authority.serving("weather.example", expired=True),
        "self-signed": lambda: self_signed(tmp_path, "weather.example"),
        "unknown authority": lambda: Authority.found(tmp_path).serving("weather.example"),
    }[fault]()
    async with tls_upstream(serving, authority.trusting()) as (evil, egress):
        with pytest.raises(UpstreamUnreachable, match=GENERIC):
            await ask(egress, evil.url("good"))
        assert evil.seen == []


async def test_the_cause_is_known_beside_the_one_message_for_every_cause(authority: Authority):
    async def cause(egress: Egress, url: str) -> str:
        with pytest.raises(NotReached, match=GENERIC) as problem:
            await ask(egress, url, within=0.3)
        assert problem.value.cause == ""
        return problem.value.known

    async def hanging(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with opened(Policy(loopback=True), resolver=Names({}), ssl_context=authority.trusting()) as egress:
        assert await cause(egress, "https://nobody.example/") == "its name is not known"
        assert await cause(egress, f"http://127.0.0.1:{closed_port()}/") == "the connection is refused"
        async with deaf_port() as port:
            assert await cause(egress, f"https://127.0.0.1:{port}/") == "it did not answer in time"
    async with opened(Policy(), resolver=hanging) as egress:
        assert await cause(egress, "https://slow.example/") == "its name could not be looked up in time"
    async with tls_upstream(authority.serving("other.example"), authority.trusting()) as (evil, egress):
        assert (await cause(egress, evil.url("good"))).startswith(
            "its TLS certificate is not trusted: Hostname mismatch"
        )


@pytest.mark.parametrize("networks", [(), ("10.0.0.0/8", "192.0.2.0/24")], ids=["shut", "opened"])
async def test_of_an_internal_address_nobody_is_told_why_it_is_not_reached(
    networks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    async def refusing(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refusing)
    names = Names({"inside.example": [["10.0.0.1"]], "public.example": [[PUBLIC_ADDRESS]]})
    async with opened(Policy(networks=read_networks(networks)), resolver=names) as egress:
        for url, cause in (
            ("https://inside.example/", ""),
            ("https://192.0.2.1/", ""),
            ("https://public.example/", "the connection is refused"),
        ):
            with pytest.raises(NotReached, match=GENERIC) as problem:
                await ask(egress, url)
            assert problem.value.known == cause


async def test_a_server_that_speaks_no_tls_is_unreachable(authority: Authority):
    async with evil_upstream() as evil:
        policy = Policy(loopback=True, ports=(evil.port,))
        async with opened(policy, ssl_context=authority.trusting()) as egress:
            with pytest.raises(UpstreamUnreachable, match=GENERIC):
                await ask(egress, f"https://127.0.0.1:{evil.port}/", within=0.3)


async def test_a_body_without_length_that_ends_without_a_tls_goodbye_is_not_taken_for_complete(authority: Authority):
    async with tls_upstream(authority.serving("weather.example"), authority.trusting()) as (evil, egress):
        assert await ask(egress, evil.url("until-close")) == ANSWER
        with pytest.raises(UpstreamClosed):
            await ask(egress, evil.url("until-cut"))


@pytest.mark.parametrize("mode", ["close-after", "good"])
async def test_two_hundred_calls_over_tls_all_succeed_and_arrive_once(authority: Authority, mode: str):
    async with tls_upstream(authority.serving("weather.example"), authority.trusting()) as (evil, egress):
        for number in range(100):
            await ask(egress, evil.url(f"{mode}/{number}"))
        await asyncio.gather(*[ask(egress, evil.url(f"{mode}/{number}")) for number in range(100, 200)])
        assert sorted(request.path for request in evil.seen) == sorted(f"/{mode}/{n}" for n in range(200))


async def test_the_next_address_is_tried_when_nobody_listens_at_the_first():
    async with evil_upstream() as evil:
        async with opened(
            Policy(loopback=True), resolver=Names({"localhost": [["::1", "127.0.0.2", "127.0.0.1"]]})
        ) as egress:
            assert await ask(egress, evil.url("good", host="localhost")) == ANSWER
        assert len(evil.seen) == 1


async def test_a_resolver_or_a_handshake_that_hangs_is_given_up_at_the_deadline(authority: Authority):
    async def hanging(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with opened(Policy(), resolver=hanging) as egress:
        with pytest.raises(UpstreamUnreachable, match=GENERIC):
            await ask(egress, "https://slow.example/", within=0.1)
    async with deaf_port() as port, opened(Policy(loopback=True), ssl_context=authority.trusting()) as egress:
        with pytest.raises(UpstreamUnreachable, match=GENERIC):
            await ask(egress, f"https://127.0.0.1:{port}/", within=0.1)
        with pytest.raises(UpstreamTimedOut):
            await ask(egress, f"http://127.0.0.1:{port}/", within=0.1)


async def test_a_caller_who_is_cancelled_while_connecting_leaves_no_socket_behind(authority: Authority):
    async with deaf_port() as port, opened(Policy(loopback=True), ssl_context=authority.trusting()) as egress:
        connecting = asyncio.create_task(post(egress, f"https://127.0.0.1:{port}/"))
        for _ in range(20):
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_the_log_has_the_address_that_the_public_message_leaves_out(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="gateway_core.egress")
    port = closed_port()
    async with opened(Policy(), resolver=Names({"rebind.example": [["10.0.0.1"]]})) as egress:
        with pytest.raises(UpstreamUnreachable):
            await ask(egress, "https://rebind.example/")
    async with opened() as egress:
        with pytest.raises(UpstreamUnreachable):
            await ask(egress, f"http://127.0.0.1:{port}/")
    events = {record.message: vars(record)["fields"] for record in caplog.records}
    assert events["egress_refused"] == {"host": "rebind.example", "address": "10.0.0.1"}
    assert events["egress_unreachable"]["port"] == port
