"""Corpus O4: what clients say about themselves, in registrations and in metadata documents, and how documents come."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway_core.errors import OAuthError
from gateway_core.issuer.client import GRANT_TYPES
from tests.certificates import Authority
from tests.unit.issuer.corpus import cases
from tests.unit.issuer.house import House, error_of, headers, house
from tests.unit.issuer.vendor import Vendor, vendor_site


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("authority"))


async def registered(home: House, given: dict[str, Any]) -> str:
    body = given["raw"].encode() if "raw" in given else bytes.fromhex(given.get("hex", ""))
    if "document" in given:
        body = json.dumps(given["document"]).encode()
    answer = await home.issuer.register(headers(("content-type", given.get("content_type", "application/json"))), body)
    if answer.status != 201:
        return "reject({} {})".format(*error_of(answer))
    client = await home.issuer.clients.find(answer.body["client_id"])
    assert client is not None
    told = answer.body
    assert (client.name, list(client.redirect_uris), client.auth_method) == (
        told["client_name"],
        told["redirect_uris"],
        told["token_endpoint_auth_method"],
    )
    assert client.name.isprintable()
    assert set(told["grant_types"]) == GRANT_TYPES
    assert ("client_secret" in told) == (client.auth_method != "none")
    assert "client_secret" not in told or client.proves(told["client_secret"])
    return "accept"


async def found(home: House, client_id: str) -> str:
    try:
        client = await home.issuer.clients.find(client_id)
    except OAuthError as problem:
        return f"reject({problem.error})"
    return "reject(unknown)" if client is None else "accept"


def put_there(vendor: Vendor, given: dict[str, Any]) -> None:
    """What a case says stands at the URL; `{url}` is that URL."""
    if "document" in given:
        vendor.body = json.dumps(given["document"]).replace("{url}", vendor.url).encode()
    if "body" in given:
        vendor.body = given["body"].replace("{url}", vendor.url).encode()
    vendor.status = given.get("status", 200)
    vendor.content_type = given.get("content_type", "application/json")
    vendor.chunked, vendor.cut = given.get("chunked", False), given.get("cut", False)


@cases("client_documents.jsonl", at_least=160)
async def test_a_client_that_cannot_be_trusted_as_it_describes_itself_is_not_known(
    tmp_path: Path, authority: Authority, case: dict[str, Any]
):
    given = case["input"]
    if given["kind"] == "registration":
        async with house(tmp_path) as home:
            assert await registered(home, given) == case["verdict"]
        return
    async with vendor_site(authority) as (vendor, egress), house(tmp_path, egress=egress, known={}) as home:
        if given["kind"] == "url":
            verdict = await found(home, given["url"])
            known = await home.issuer.clients.find_without_fetching(given["url"])
            fetched = "cannot be used" in await words_for(home, given["url"])
            assert case["verdict"] == (
                "unknown" if verdict == "reject(unknown)" else "fetched" if fetched else "refused"
            )
            assert (known is not None) == fetched
            return
        put_there(vendor, given)
        assert await found(home, vendor.url) == case["verdict"]
        assert len(vendor.asked) == 1, "a redirect is never followed, and nothing is asked twice"


async def words_for(home: House, client_id: str) -> str:
    try:
        await home.issuer.clients.find(client_id)
    except OAuthError as problem:
        return problem.message
    return ""
