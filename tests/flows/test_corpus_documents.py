"""Corpus O4 over HTTP: what clients say about themselves, in registrations and in metadata documents, how documents
come, and which URLs may be the ids of clients."""

import json
import unicodedata
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import pytest
import pytest_asyncio

from tests.flows.black_box import REDEEMING, REDIRECT, REQUEST, BlackBox, black_box, refusal, shown_instead
from tests.unit.issuer.corpus import cases
from tests.unit.issuer.house import FORM, form
from tests.unit.issuer.vendor import HOST

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BlackBox]:
    async with black_box(tmp_path_factory.mktemp("box")) as made:
        yield made


async def signed_in(
    box: BlackBox, client_id: str, redirect_uri: str, name: str = "App", *, method: str = "none", secret: str = ""
) -> str:
    """What becomes of a sign-in that Ana allows when she is asked for it, by an app of that name."""
    page = await box.visited(urlencode({**REQUEST, "client_id": client_id, "redirect_uri": redirect_uri}))
    shown = shown_instead(page)
    if shown is not None:
        return shown.replace("page", "reject")
    assert " ".join(name.split()) in page.text
    code = (await box.decided(page, "allow", redirect_uri))["code"]
    assert (await box.redeemed(client_id, code, redirect_uri, method=method, secret=secret)).status_code == 200
    return "accept"


async def registration(box: BlackBox, given: dict[str, Any]) -> str:
    """What becomes of a registration. Who has one gets in as the answer says, and at each of its addresses."""
    body = given["raw"].encode() if "raw" in given else bytes.fromhex(given.get("hex", ""))
    answer = await box.registered(given.get("document", body), given.get("content_type", "application/json"))
    if answer.status_code != 201:
        return refusal(answer)
    told = answer.json()
    method, secret = told["token_endpoint_auth_method"], told.get("client_secret", "")
    assert set(told["grant_types"]) == {"authorization_code", "refresh_token"}
    assert bool(secret) == (method != "none")
    assert told["client_name"].isprintable()
    for redirect_uri in told["redirect_uris"]:
        got = await signed_in(box, told["client_id"], redirect_uri, told["client_name"], method=method, secret=secret)
        assert got == "accept"
    return "accept"


async def document(box: BlackBox, given: dict[str, Any]) -> str:
    """What becomes of a sign-in where a case stands at the URL that is the client's id; `{url}` is that URL."""
    vendor = box.vendor
    vendor.move()
    said = given.get("document", {"client_id": "{url}", "client_name": "App", **REDIRECT})
    vendor.body = given.get("body", json.dumps(said)).replace("{url}", vendor.url).encode()
    vendor.status = given.get("status", 200)
    vendor.content_type = given.get("content_type", "application/json")
    vendor.chunked, vendor.cut = given.get("chunked", False), given.get("cut", False)
    vendor.asked.clear()
    uris = said.get("redirect_uris")
    verdict = await signed_in(box, vendor.url, uris[0] if isinstance(uris, list) and uris else "")
    assert len(vendor.asked) == 1, "a redirect is never followed, and nothing is asked twice"
    return verdict


async def url(box: BlackBox, given: dict[str, Any]) -> str:
    """Whether a URL may be a client's id. Where it may, its host is looked for, once, which is then not there."""
    client_id, asked = given["url"], box.vendor.names.asked
    asked.clear()
    page = await box.visited(urlencode({**REQUEST, "client_id": client_id}))
    assert shown_instead(page) == "page(invalid_client)"
    verdict = next(word for words, word in LOOKED_UP.items() if words in page.text)
    answer = await box.token(form({**REDEEMING, "client_id": client_id, "code": "made up"}), FORM)
    may_be = verdict == "fetched"
    # The token endpoint fetches nothing: whoever signed in before stays in while the site is down.
    assert refusal(answer) == ("reject(400 invalid_grant)" if may_be else "reject(401 invalid_client)")
    assert asked == ([urlsplit(client_id).hostname] if may_be else [])
    return verdict


LOOKED_UP: Final = {
    "cannot be used: The server could not be reached": "fetched",
    "The client_id is no URL of a client metadata document": "refused",
    "Remove the server from the app, and add it again": "unknown",
}
ENTERED: Final = {
    "client_name": "name",
    "redirect_uris": "redirect_uris",
    "token_endpoint_auth_method": "auth_method",
}
"""Members of a registration that an administrator gives as well, by their names there."""
KINDS: Final = {"registration": registration, "document": document, "answer": document, "url": url}


@cases("client_documents.jsonl", at_least=160)
async def test_a_client_that_cannot_be_trusted_as_it_describes_itself_is_not_known(
    box: BlackBox, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    given = case["input"]
    if given["kind"] == "url":
        monkeypatch.delitem(box.vendor.names.table, HOST)
    assert await KINDS[given["kind"]](box, given) == case["verdict"]


def an_administrator_could_say_it(case: dict[str, Any]) -> bool:
    said = case["input"].get("document", {})
    return case["input"]["kind"] == "registration" and bool(said) and said.keys() <= ENTERED.keys()


def demanded(case: dict[str, Any]) -> str:
    """The verdict of the corpus, but for three things: an administrator gives every client a name without control
    characters, writes no null for what is left out, and nothing is sealed into an id, so that there is room."""
    said = case["input"]["document"]
    name = said.get("client_name")
    unreadable = not isinstance(name, str) or any(unicodedata.category(letter) == "Cc" for letter in name)
    if unreadable or None in said.values():
        return "reject"
    return "accept" if case["source"] == "bound: what is sealed into the id" else case["verdict"].partition("(")[0]


@cases("client_documents.jsonl", at_least=160, where=an_administrator_could_say_it)
async def test_an_administrator_enters_no_client_that_could_not_register_itself(box: BlackBox, case: dict[str, Any]):
    answer = await box.entered({ENTERED[name]: value for name, value in case["input"]["document"].items()})
    told = answer.json()
    if answer.status_code != 201:
        assert (answer.status_code, told["title"], demanded(case)) == (422, "invalid", "reject")
        return
    method, secret = told["auth_method"], told["secret"] or ""
    for redirect_uri in told["redirect_uris"]:
        got = await signed_in(box, told["id"], redirect_uri, told["name"], method=method, secret=secret)
        assert got == demanded(case)
