"""Corpus O2 over HTTP: parameters of the authorization and the token endpoint, and what each fault costs, for every way
in which a client may be known."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import pytest_asyncio

from tests.flows.black_box import (
    MODES,
    REDEEMING,
    REDIRECT,
    REQUEST,
    BlackBox,
    black_box,
    refusal,
    shown_instead,
)
from tests.unit.issuer.corpus import cases
from tests.unit.issuer.house import FORM, PUBLIC

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[BlackBox, dict[str, str]]]:
    """The application, and a client of each kind."""
    async with black_box(tmp_path_factory.mktemp("box")) as made:
        yield made, {mode: (await made.client(mode))[0] for mode in MODES}


def demanded(case: dict[str, Any], mode: str) -> str:
    """The verdict of the corpus. One thing depends on who vouches for a client: the admin API may be asked for by those
    alone whom an administrator entered."""
    given = case["input"]
    if mode == "registered" and (given["endpoint"], given.get("set")) == (
        "authorize",
        {"resource": f"{PUBLIC}/api/v1"},
    ):
        return "accept"
    verdict: str = case["verdict"]
    return verdict


def changed(parameters: dict[str, str], given: dict[str, Any]) -> str:
    """The parameters as a case wants them."""
    wanted = {**parameters, **given.get("set", {})}
    appended: str = given.get("append", "")
    return urlencode({name: text for name, text in wanted.items() if name not in given.get("without", ())}) + appended


async def asked(box: BlackBox, client_id: str, given: dict[str, Any]) -> str:
    query = changed({**REQUEST, "client_id": client_id}, given)
    page = await box.visited(query)
    shown = shown_instead(page)
    if shown:
        return shown
    # Whoever names no redirect URI is answered at the one that it registered.
    redirect_uri = dict(parse_qsl(query)).get("redirect_uri", REDIRECT["redirect_uris"][0])
    back = await box.decided(page, "deny", redirect_uri)
    assert back["iss"] == PUBLIC
    if back["error"] != "access_denied":
        return f"refuse({back['error']})"
    # The request was in order: it is Ana who says no, or there is no such server.
    sent = None if "state" in given.get("without", ()) else given.get("set", {}).get("state", "st")
    assert back.get("state") == (sent or None)
    return "accept"


async def token_asked(box: BlackBox, client_id: str, given: dict[str, Any]) -> str:
    right = {**REDEEMING, "client_id": client_id, "code": await box.code(client_id)}
    if given["endpoint"] == "refresh":
        tokens = (await box.token(urlencode(right).encode(), FORM)).json()
        right = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": tokens["refresh_token"]}
    kind = ("content-type", given.get("content_type", FORM[1]))
    answer = await box.token(changed(right, given).encode(), kind)
    if answer.status_code == 200:
        await box.done_with(client_id, answer)
        return "accept"
    # Whatever was wrong, nothing is used up and nothing is revoked by it.
    after = await box.token(urlencode(right).encode(), FORM)
    assert after.status_code == 200
    await box.done_with(client_id, after)
    return refusal(answer)


@pytest.mark.parametrize("mode", MODES)
@cases("parameters.jsonl", at_least=200)
async def test_every_fault_in_a_parameter_gets_its_own_answer_and_uses_nothing_up(
    box: tuple[BlackBox, dict[str, str]], case: dict[str, Any], mode: str
):
    made, clients = box
    ask = asked if case["input"]["endpoint"] == "authorize" else token_asked
    assert await ask(made, clients[mode], case["input"]) == demanded(case, mode)
