"""What bounds the pages on which accounts are connected: how often, how much, and how long a name."""

import base64
import json

from gateway_core.access.throttle import CONNECT_ACCOUNT
from gateway_core.connect.account_names import MAX_NAME, MAX_TOKEN, account_name
from gateway_core.connect.callback import MAX_ANSWER, MAX_CODE
from gateway_core.protocol.challenges import MAX_SCOPES
from tests.flows.linear import linear
from tests.flows.tracker import PAGE, left, scene
from tests.flows.upstreams import Asked


def told(**claims: str) -> dict[str, str]:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return {"id_token": f"e30.{body}.c2ln"}


async def test_one_person_makes_the_gateway_ask_others_only_so_often(tmp_path):
    async with scene(tmp_path) as at:
        at.tracker.said = {"issuer": "https://elsewhere.example"}
        statuses = [(await at.at.ana.open(PAGE)).status for _ in range(CONNECT_ACCOUNT.times + 1)]
        assert statuses == [400] * CONNECT_ACCOUNT.times + [429]


async def test_and_to_register_it_with_others(tmp_path):
    async with scene(tmp_path) as at:
        at.tracker.said = {"registration_endpoint": None}
        fields = (await at.at.ana.open(PAGE)).form(PAGE).fields
        statuses = [(await at.at.ana.post(PAGE, fields)).status for _ in range(CONNECT_ACCOUNT.times)]
        assert statuses == [400] * (CONNECT_ACCOUNT.times - 1) + [429]


async def test_what_a_server_wants_in_one_call_after_the_other_is_bounded(tmp_path):
    calls = iter(range(100))

    async def never_content(asked: Asked) -> None:
        scopes = " ".join(f"s{next(calls)}-{number}" for number in range(10))
        await asked.respond.raw(b"", 403, {"www-authenticate": f'Bearer error="insufficient_scope", scope="{scopes}"'})

    async with linear(tmp_path, answer=never_content) as at:
        made = await at.connect()
        for _ in range(5):
            await at.said()
        found, _ = await at.kept(made)
        assert (len(found.wanted), found.wanted[0]) == (51, "read")
        for _ in range(5):
            await at.said()
        found, _ = await at.kept(made)
        assert (len(found.wanted), found.wanted[0]) == (MAX_SCOPES, "read")


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
