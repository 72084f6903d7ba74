"""Every route of the admin API by every role, in their own workspace and another: who may, and what the rest hear."""

import pytest

from gateway_core.admin.administration import Administration
from gateway_core.web.api import admin_api
from gateway_core.web.api.actions import routes_of
from tests.flows.actors import admin_key, ask, granted, joined
from tests.flows.gateways import Gateway, gateway
from tests.flows.route_rows import EVERYBODY, ROWS, Row, Stage

ACTORS = sorted(EVERYBODY | {"nobody"})
PLACES = ("research", "sales")
"""The people of a workspace are of research."""


async def _staged(gw: Gateway) -> Stage:
    stage = Stage(gw, {"key": await admin_key(gw), "nobody": ""})
    for role in ("owner", "admin", "auditor", "member"):
        stage.people[role] = (await joined(gw, f"{role}@acme.dev", role)).id
    for role in ("admin", "manager", "member"):
        stage.people[f"ws_{role}"] = (await joined(gw, f"ws-{role}@acme.dev", research=role)).id  # type: ignore[arg-type]
    for name, member_id in stage.people.items():
        _, stage.tokens[name] = await granted(gw, member_id)
    return stage


def test_every_route_has_a_row_that_says_who_may_use_it():
    assert routes_of(admin_api(Administration(None, None, None, None))) == ROWS.keys()  # type: ignore[arg-type]


@pytest.mark.parametrize("route", ROWS)
async def test_a_route_does_for_each_role_what_its_row_says_and_no_more(tmp_path, route: str):
    method, row = route.partition(" ")[0], ROWS[route]
    async with gateway(tmp_path, {}) as gw:
        stage = await _staged(gw)
        for place in PLACES:
            for actor in ACTORS:
                await _check(stage, method, row, actor, place)


async def _check(stage: Stage, method: str, row: Row, actor: str, place: str) -> None:
    asked = await row.prepare(stage, actor, place)
    answer = await ask(stage.gw, stage.tokens[actor], method, asked.path, asked.body)
    told = (actor, place, answer.status_code, answer.text)
    if actor in (row.own if place == "research" else row.other):
        assert answer.status_code in (200, 201, 204), told
        assert asked.mark in answer.text, told
        return
    if actor == "nobody":
        assert answer.status_code == 401, told
        assert "gatehouse login" in answer.json()["detail"], told
    elif actor in row.own or row.open:
        assert answer.status_code == row.hidden, told
        assert not asked.mark or asked.mark not in answer.text, told
        if row.hidden == 404:
            unknown = await ask(
                stage.gw, stage.tokens[actor], method, asked.path.replace(asked.id, asked.unknown), asked.body
            )
            assert unknown.status_code == 404
            assert unknown.content == answer.content.replace(asked.id.encode(), asked.unknown.encode())
    else:
        assert answer.status_code == 403, told
        assert "You are signed in as " in answer.json()["detail"], told
        assert "of the organisation" in answer.json()["detail"], told
    assert answer.headers["content-type"] in ("application/problem+json", "application/json"), told
