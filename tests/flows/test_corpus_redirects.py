"""Corpus O1 over HTTP: which redirect URIs a client may have and a request may name, for every way in which a client
may be known, and where the browser then ends, byte for byte."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from tests.flows.black_box import MODES, REQUEST, BlackBox, black_box, refusal, shown_instead
from tests.unit.issuer.corpus import cases

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BlackBox]:
    async with black_box(tmp_path_factory.mktemp("box")) as made:
        yield made


async def introduced(box: BlackBox, mode: str, uri: str) -> str | None:
    """The id of a client that has this redirect URI; None where it was refused, in words about that URI."""
    if mode == "metadata_document":
        return await published(box, uri)
    said = {"redirect_uris": [uri]}
    if mode == "dynamic":
        answer = await box.registered({"client_name": "App", **said})
    else:
        answer = await box.entered({"name": "App", **said})
    told = answer.json()
    if answer.status_code == 201:
        assert told["redirect_uris"] == [uri]
        return str(told["client_id" if mode == "dynamic" else "id"])
    if mode == "dynamic":
        assert refusal(answer) == "reject(400 invalid_redirect_uri)"
    else:
        assert (answer.status_code, told["title"]) == (422, "invalid")
        assert "redirect" in answer.text.lower()
    return None


async def published(box: BlackBox, uri: str) -> str | None:
    """The same for a client with a metadata document, which is read when somebody comes from it. A request that names
    no redirect URI would be answered at the only one that there is."""
    box.vendor.move()
    box.vendor.publish(redirect_uris=[uri])
    page = await box.visited(urlencode({**REQUEST, "client_id": box.vendor.url, "redirect_uri": ""}))
    shown = shown_instead(page)
    if shown is None:
        return box.vendor.url
    assert shown == "page(invalid_client)"
    assert "Redirect URI" in page.text
    return None


async def verdict_on(box: BlackBox, mode: str, registered: str, asked: str) -> str:
    client_id = await introduced(box, mode, registered)
    if client_id is None:
        return "reject(invalid_redirect_uri)"
    query = urlencode({**REQUEST, "client_id": client_id, "redirect_uri": asked})
    page = await box.visited(query)
    shown = shown_instead(page)
    if shown is not None:
        assert shown_instead(await box.visited(query, box.stranger)) == shown == "page(invalid_request)"
        assert "an address that this app has not registered" in page.text
        return "reject(page)"
    assert page.status == 200
    code = (await box.decided(page, "allow", asked))["code"]
    if registered != asked:
        # A code goes with the address that it was sent to (RFC 6749, section 4.1.3).
        assert refusal(await box.redeemed(client_id, code, registered)) == "reject(400 invalid_grant)"
    assert (await box.redeemed(client_id, code, asked)).status_code == 200
    return "accept"


@pytest.mark.parametrize("mode", MODES)
@cases("redirect_uris.jsonl", at_least=300)
async def test_an_answer_goes_to_an_address_that_the_client_registered_and_nowhere_else(
    box: BlackBox, case: dict[str, Any], mode: str
):
    given = case["input"]
    if "uri" in given:
        given = {"registered": given["uri"], "asked": given["uri"]}
    assert await verdict_on(box, mode, **given) == case["verdict"]
