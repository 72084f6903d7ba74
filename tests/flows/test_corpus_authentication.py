"""Corpus O3 over HTTP: who a client proves to be, in every way that it should not, and the few that it should."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from gateway_core.issuer.client import secret_digest
from tests.flows.black_box import REDEEMING, BlackBox, black_box, proof, refusal
from tests.unit.issuer.corpus import cases
from tests.unit.issuer.house import FORM, form

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRACED = re.compile(r"\{(basic|urlsafe):((?:[^{}]|\{[a-z_]+\})*)\}", re.DOTALL)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BlackBox]:
    async with black_box(tmp_path_factory.mktemp("box")) as made:
        yield made


async def words_for(box: BlackBox, kind: str) -> dict[str, str]:
    """Every word that a case may ask for, about a client of one kind."""
    how, method = kind.split(" ")
    client_id, secret = await box.client(how, method)
    other_id, other_secret = await box.client("entered", "client_secret_basic")
    shown = secret or "ghs_none"
    encoded = f"{quote(client_id, safe='').replace('-', '%2D')}:{shown.replace('_', '%5F')}"
    # As a client writes it (RFC 6749, section 2.3.1); ids and secrets of ours are the same in both forms.
    right = b64encode(f"{quote(client_id, safe='')}:{shown}".encode()).decode()
    return {
        "id": client_id,
        "secret": shown,
        "id_upper": client_id.upper(),
        "secret_upper": shown.upper(),
        "secret_digest": secret_digest(shown),
        "other_id": other_id,
        "other_secret": other_secret or "",
        "basic": right,
        "encoded": b64encode(encoded.encode()).decode(),
        # Without its last character the length is no multiple of four.
        "nopad": right.rstrip("=")[: -1 if len(right.rstrip("=")) % 4 == 0 else None],
    }


def filled(template: str, words: dict[str, str]) -> str:
    def plain(text: str) -> str:
        return re.sub(r"\{([a-z_]+)\}", lambda found: words[found[1]], text)

    def coded(found: re.Match[str]) -> str:
        encode = b64encode if found[1] == "basic" else urlsafe_b64encode
        return encode(plain(found[2]).encode()).decode()

    return plain(BRACED.sub(coded, template))


async def judged(box: BlackBox, given: dict[str, Any], kind: str) -> str:
    words = await words_for(box, kind)
    grant = {**REDEEMING, "code": await box.code(words["id"])}
    shown = [("authorization", filled(text, words)) for text in given.get("authorization", [])]
    body = {name: filled(text, words) for name, text in given.get("body", {}).items()}
    answer = await box.token(form({**grant, **body}), FORM, *shown)
    if answer.status_code == 200:
        return "accept"
    fields, headers = proof(kind.split(" ")[1], words["id"], words["secret"])
    right = await box.token(form({**grant, **fields}), FORM, *headers)
    assert right.status_code == 200, "a failed attempt must not use the code up"
    return refusal(answer)


@cases("client_authentication.jsonl", at_least=80)
async def test_a_client_is_who_it_proves_to_be_in_the_way_that_it_registered(box: BlackBox, case: dict[str, Any]):
    kind = case["input"]["client"]
    assert await judged(box, case["input"], kind) == case["verdict"]
    if kind == "dynamic none":
        assert await judged(box, case["input"], "metadata_document none") == case["verdict"]
