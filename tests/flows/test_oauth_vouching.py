"""Who vouches for an app, on the page that asks: a green mark is for those that this gateway itself knows."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway_core.issuer.documents import known_documents
from tests.certificates import Authority
from tests.flows.black_box import beside_a_vendor
from tests.flows.browsers import PUBLIC, OAuthClient, Page, Stage, stage
from tests.unit.issuer.vendor import HOST, Vendor

LINEAR = f"{PUBLIC}/research/linear/mcp"
ELSEWHERE = "The answer goes to collector.example, which is another site than vendor.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.found(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def with_vendor(folder, authority, **document):
    """A stage beside a web site that anybody could have, with a metadata document on it."""
    async with beside_a_vendor(folder, authority) as (at, vendor):
        vendor.publish(**{"client_name": "Claude", "redirect_uris": ["https://vendor.example/cb"], **document})
        yield at, vendor


async def asked(at: Stage, vendor: Vendor, redirect: str) -> Page:
    return await at.ana.open(OAuthClient(vendor.url, redirect).url(LINEAR))


@pytest.mark.parametrize(
    ("redirect", "elsewhere"),
    [
        ("https://vendor.example/cb", False),
        ("https://VENDOR.example:8443/cb", False),
        ("https://collector.example/cb", True),
        ("http://127.0.0.1:4711/cb", False),
        ("com.example.app:/cb", False),
    ],
)
async def test_a_document_on_any_web_site_verifies_nothing(tmp_path, authority, redirect, elsewhere):
    async with with_vendor(tmp_path, authority, redirect_uris=[redirect]) as (at, vendor):
        page = await asked(at, vendor, redirect)
        host = vendor.url.split("/")[2]
        assert f"An app calling itself Claude ; the site {host} says so" in page.text
        assert f"Anybody can have a web site. Go on only if you know {host}" in page.text
        assert "verified" not in page.text
        assert "mark good" not in page.response.text
        assert "notice warn" in page.response.text
        assert (ELSEWHERE in page.text) == elsewhere
        assert ("program on this computer" in page.text) == (not redirect.startswith("https"))
        back = await at.ana.submit(page, "/authorize", "allow")
        assert back.url.startswith(redirect)


async def test_ones_own_access_shows_the_same_mark(tmp_path, authority):
    redirect = "https://vendor.example/cb"
    async with with_vendor(tmp_path, authority) as (at, vendor):
        client = OAuthClient(vendor.url, redirect)
        back = await at.ana.submit(await at.ana.open(client.url(LINEAR)), "/authorize", "allow")
        assert (await client.redeem(at.ana.http, back.parameters["code"])).status_code == 200
        page = await at.ana.open("/oauth/account")
        assert f"the site {vendor.url.split('/')[2]} says so" in page.text
        assert "verified" not in page.text


@pytest.mark.parametrize("url", sorted(known_documents()))
async def test_an_app_that_comes_with_the_gateway_is_verified_as_its_vendor(tmp_path, url):
    async with stage(tmp_path) as at:
        for redirect in known_documents()[url]["redirect_uris"]:
            page = await at.ana.open(OAuthClient(url, redirect).url(LINEAR))
            assert f"verified as {url.split('/')[2]}" in page.text
            assert "another site" not in page.text


async def test_an_app_that_changes_its_name_behind_the_page_is_not_let_in_under_the_other(tmp_path, authority):
    async with with_vendor(tmp_path, authority) as (at, vendor):
        vendor.headers = ("cache-control: max-age=300",)
        page = await asked(at, vendor, "https://vendor.example/cb")
        vendor.publish(client_name="Other", redirect_uris=["https://vendor.example/cb"])
        at.gw.clock[0] += 300
        late = await at.ana.submit(page, "/authorize", "allow")
        assert late.status == 400
        assert "The app has another name now than this page said" in late.text
        page = await asked(at, vendor, "https://vendor.example/cb")
        assert "An app calling itself Other" in page.text
        assert (await at.ana.submit(page, "/authorize", "allow")).parameters["code"]


def test_the_vendor_of_these_tests_is_not_one_that_comes_with_the_gateway():
    assert not any(HOST in url for url in known_documents())


async def test_no_document_is_fetched_from_a_private_network_even_one_that_is_open_for_servers(
    tmp_path, monkeypatch, caplog
):
    async with stage(tmp_path, egress_allow=("10.0.0.0/8",)) as at:

        async def inside(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [(0, 0, 0, "", ("10.0.0.1", 443))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", inside)
        page = await at.ana.open(OAuthClient("https://inside.example:8443/client.json").url(LINEAR))
        assert page.status == 400
        assert "could not be reached" in page.text
        assert "egress_refused" in [record.message for record in caplog.records]
