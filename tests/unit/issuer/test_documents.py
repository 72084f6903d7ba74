"""Metadata documents of clients: fetched once, kept for a while, and stood in for when a vendor is down."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway_core.egress import Egress, Policy
from gateway_core.errors import OAuthError
from gateway_core.issuer.documents import MAX_AT_ONCE, Documents, known_documents
from gateway_core.issuer.metadata_documents import client_of, is_document_url
from tests.certificates import Authority
from tests.contracts.conftest import MovedClock
from tests.unit.issuer.house import house
from tests.unit.issuer.vendor import vendor_site


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("authority"))


async def refusal(documents: Documents, url: str) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await documents.get(url)
    return caught.value


@pytest.mark.parametrize(
    ("cache_control", "kept_s"),
    [
        ("", 3_600),
        ("max-age=0", 300),
        ("max-age=299", 300),
        ("public, max-age=1000", 1_000),
        ('max-age="1000"', 1_000),
        ("s-maxage=9, MAX-AGE=1000", 1_000),
        ("max-age=999999", 86_400),
        ("no-store", 300),
        ("max-age=-5", 3_600),
        ("max-age=99999999999999999999", 86_400),
    ],
)
async def test_a_document_is_kept_as_long_as_its_site_says_within_bounds(authority, cache_control, kept_s):
    async with vendor_site(authority) as (vendor, egress):
        clock = MovedClock()
        documents = Documents(egress, clock, {})
        vendor.headers = (f"cache-control: {cache_control}",) if cache_control else ()
        await documents.get(vendor.url)
        clock.now += kept_s - 1
        await documents.get(vendor.url)
        assert len(vendor.asked) == 1
        clock.now += 1
        await documents.get(vendor.url)
        assert len(vendor.asked) == 2


async def test_a_failure_is_never_kept(authority):
    async with vendor_site(authority) as (vendor, egress):
        documents = Documents(egress, MovedClock(), {})
        vendor.status = 503
        assert (await refusal(documents, vendor.url)).error == "invalid_client"
        vendor.status = 200
        vendor.publish(client_id="https://vendor.example/other.json")
        assert "not the URL" in (await refusal(documents, vendor.url)).message
        vendor.publish(client_name="Later")
        assert (await documents.get(vendor.url)).name == "Later"


async def test_the_copy_that_comes_with_the_gateway_stands_in_while_the_vendor_is_down_and_no_longer(authority):
    async with vendor_site(authority) as (vendor, egress):
        copy = {"client_id": vendor.url, "client_name": "Copy", "redirect_uris": ["http://127.0.0.1/callback"]}
        documents = Documents(egress, MovedClock(), {vendor.url: copy})
        for status, content_type in ((503, "application/json"), (200, "text/html")):
            vendor.status, vendor.content_type = status, content_type
            assert (await documents.get(vendor.url)).name == "Copy"
        vendor.status, vendor.content_type = 200, "application/json"
        assert (await documents.get(vendor.url)).name == "App"


async def test_a_document_that_was_fetched_and_is_wrong_is_not_replaced_by_the_copy(authority):
    async with vendor_site(authority) as (vendor, egress):
        copy = {"client_id": vendor.url, "client_name": "Copy", "redirect_uris": ["http://127.0.0.1/callback"]}
        vendor.publish(redirect_uris=["javascript:alert(1)"])
        assert (
            await refusal(Documents(egress, MovedClock(), {vendor.url: copy}), vendor.url)
        ).error == "invalid_client"


async def test_all_who_wait_for_one_document_share_one_fetch_and_one_who_leaves_takes_nothing_with_him(authority):
    async with vendor_site(authority) as (vendor, egress):
        vendor.waiting = asyncio.Event()
        documents = Documents(egress, MovedClock(), {})
        waiters = [asyncio.create_task(documents.get(vendor.url)) for _ in range(20)]
        await vendor.arrived.wait()
        waiters[0].cancel()
        vendor.waiting.set()
        found = await asyncio.gather(*waiters, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert {client.name for client in found[1:] if not isinstance(client, BaseException)} == {"App"}
        assert len(vendor.asked) == 1


async def test_only_so_many_documents_are_fetched_at_once(authority):
    async with vendor_site(authority) as (vendor, egress):
        vendor.waiting = asyncio.Event()
        copy = {
            "client_id": "https://known.example/c",
            "client_name": "Known",
            "redirect_uris": ["https://known.example/"],
        }
        documents = Documents(egress, MovedClock(), {"https://known.example/c": copy})
        tasks = [asyncio.create_task(documents.get(f"{vendor.url}/{number}")) for number in range(MAX_AT_ONCE)]
        await asyncio.sleep(0)
        refused = await refusal(documents, vendor.url)
        assert (refused.error, refused.http_status) == ("temporarily_unavailable", 429)
        assert (await documents.get("https://known.example/c")).name == "Known"
        vendor.waiting.set()
        assert all(isinstance(each, OAuthError) for each in await asyncio.gather(*tasks, return_exceptions=True))
        assert (await documents.get(vendor.url)).name == "App"


async def test_only_so_many_documents_are_kept(authority):
    async with vendor_site(authority) as (vendor, egress):
        documents = Documents(egress, MovedClock(), {}, max_kept=2)
        site = vendor.url
        for number in (1, 2, 1, 3, 3, 2, 1, 3):
            vendor.url = f"{site}/{number}"
            vendor.publish()
            await documents.get(vendor.url)
        assert [line.split(" ")[1][-1] for line in vendor.asked] == ["1", "2", "3", "1"]


async def test_of_the_documents_that_are_kept_the_one_fetched_longest_ago_makes_room(authority):
    async with vendor_site(authority) as (vendor, egress):
        clock, site = MovedClock(), vendor.url
        documents = Documents(egress, clock, {}, max_kept=2)

        async def get(*numbers: int) -> str:
            vendor.asked.clear()
            for number in numbers:
                vendor.url = f"{site}/{number}"
                vendor.headers = ("cache-control: max-age=300",) if number == 2 else ()
                vendor.publish()
                await documents.get(vendor.url)
            return "".join(line.split(" ")[1][-1] for line in vendor.asked)

        assert await get(1, 2) == "12"
        clock.now += 300
        # What is fetched anew takes its own place, and nobody else's.
        assert await get(2, 1) == "2"
        assert await get(3, 2, 1) == "31"


async def test_a_document_that_never_ends_is_given_up_and_said_to_be_late(authority):
    async with vendor_site(authority) as (vendor, egress):
        vendor.waiting = asyncio.Event()
        refused = await refusal(Documents(egress, MovedClock(), {}, timeout_s=0.2), vendor.url)
        assert "cannot be used" in refused.message


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "100.64.0.1"])
async def test_a_document_that_lies_inside_a_private_network_is_never_asked_for(authority, address):
    class Private:
        async def __call__(self, host: str, port: int) -> list[str]:
            return [address]

    egress = Egress(Policy(), resolver=Private())
    refused = await refusal(Documents(egress, MovedClock(), {}), "https://vendor.example/client.json")
    assert "could not be reached" in refused.message
    await egress.close()


def test_every_bundled_copy_describes_a_client_that_can_sign_in():
    copies = known_documents()
    assert {url.split("/")[2] for url in copies} == {
        "claude.ai", "chatgpt.com", "vscode.dev", "opencode.ai", "zed.dev",
    }  # fmt: skip
    for url, document in copies.items():
        assert is_document_url(url)
        client = client_of(url, document)
        assert (client.auth_method, client.host) == ("none", url.split("/")[2])


@pytest.mark.parametrize(
    ("url", "redirect_uri"),
    [
        ("https://claude.ai/oauth/claude-code-client-metadata", "http://localhost:3118/callback"),
        ("https://chatgpt.com/oauth/codex/client.json", "http://127.0.0.1:50123/callback"),
        ("https://chatgpt.com/oauth/client.json", "https://chatgpt.com/connector_platform_oauth_redirect"),
        ("https://vscode.dev/oauth/client-metadata.json", "http://127.0.0.1:50123/"),
        ("https://vscode.dev/oauth/client-metadata.json", "https://vscode.dev/redirect"),
        ("https://opencode.ai/oauth/opencode/client.json", "http://127.0.0.1:51675/callback"),
        ("https://zed.dev/oauth/client-metadata.json", "http://127.0.0.1:51675/callback"),
    ],
)
async def test_well_known_clients_sign_in_even_where_nothing_outside_can_be_reached(
    tmp_path: Path, url: str, redirect_uri: str
):
    async with house(tmp_path) as home:
        tokens = await home.redeem(url, await home.code(url, redirect_uri=redirect_uri), redirect_uri=redirect_uri)
        assert tokens.status == 200


async def test_who_was_let_in_stays_in_while_its_vendors_site_is_down(tmp_path: Path, authority: Any):
    async with vendor_site(authority) as (vendor, egress), house(tmp_path, egress=egress, known={}) as home:
        tokens = await home.signed_in(vendor.url)
        vendor.status = 503
        home.clock.now += 100_000
        assert (await home.refresh(vendor.url, tokens["refresh_token"])).status == 200
