"""What bounds the pages on which accounts are connected: how often, how much, and how long a name."""

import base64
import json

from gateway_core.access.throttle import CONNECT_ACCOUNT
from gateway_core.connect.account_names import MAX_NAME, MAX_TOKEN, account_name
from gateway_core.connect.callback import MAX_ANSWER, MAX_CODE
from tests.flows.tracker import PAGE, left, scene


def told(**claims: str) -> dict[str, str]:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return {"id_token": f"e30.{body}.c2ln"}


async def test_one_person_makes_the_gateway_ask_others_only_so_often(tmp_path):
    async with scene(tmp_path) as at:
        at.tracker.said = {"issuer": "https://elsewhere.example"}
        statuses = [(await at.at.ana.open(PAGE)).status for _ in range(CONNECT_ACCOUNT.times + 1)]
        assert statuses == [400] * CONNECT_ACCOUNT.times + [429]


async def test_an_answer_or_a_code_beyond_all_measure_is_none(tmp_path):
    async with scene(tmp_path) as at:
        for changed, status in (
            ({"code": "c" * (MAX_CODE + 1)}, "holds no code"),
            ({"padding": "p" * MAX_ANSWER}, "cannot be read"),
        ):
            back = at.tracker.visit(await left(at.at.ana), **changed)
            page = await at.at.ana.open(back)
            assert (page.status, status in page.text) == (400, True)
        twice = at.tracker.visit(await left(at.at.ana)) + "&iss=x"
        assert "cannot be read" in (await at.at.ana.open(twice)).text
        assert at.tracker.forms == []


def test_the_name_of_an_account_is_one_short_line():
    assert account_name(told(iss="i", aud="c", name="n" * 500), issuer="i", client_id="c") == "n" * MAX_NAME
    assert account_name(told(iss="i", aud="c", name="a\nb\x00 c"), issuer="i", client_id="c") == "a b c"
    assert account_name(told(iss="i", aud="c", name=" ", email=""), issuer="i", client_id="c") is None
    long = told(iss="i", aud="c", name="n", padding="p" * MAX_TOKEN)
    assert account_name(long, issuer="i", client_id="c") is None
