"""A thousand token requests at once, many of them replays, at two processes that share a store."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway_core.errors import Conflict, StoreUnavailable
from gateway_core.issuer import grants
from gateway_core.issuer.grants import Grants
from gateway_core.issuer.issuer import Answer
from gateway_core.ports import Table, Write
from gateway_core.storage.sqlite import SqliteTable
from tests.contracts.aws import dynamo_table
from tests.contracts.conftest import MovedClock, aws_url
from tests.unit.issuer.house import House, error_of, house

__all__ = ["aws_url"]


@pytest.fixture(autouse=True)
def room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member stands for the many that a thousand requests come from."""
    monkeypatch.setattr(grants, "MAX_OF_MEMBER", 10_000)


@dataclass(frozen=True)
class Crowd:
    """How many of each: codes shown once, codes shown twice, refresh tokens shown two, and four times."""

    once: int
    twice: int
    pairs: int
    fours: int

    @property
    def requests(self) -> int:
        return self.once + 2 * self.twice + 2 * self.pairs + 4 * self.fours


async def tried(doors: Sequence[House], client_id: str, crowd: Crowd) -> dict[str, list[list[Answer]]]:
    """Everything at once: half of the requests for each thing at either door."""
    codes = [await doors[0].code(client_id) for _ in range(crowd.once + crowd.twice)]
    tokens = [(await doors[0].signed_in(client_id))["refresh_token"] for _ in range(crowd.pairs + crowd.fours)]
    plan = {
        "once": [[doors[0].redeem(client_id, code)] for code in codes[: crowd.once]],
        "twice": [[door.redeem(client_id, code) for door in doors] for code in codes[crowd.once :]],
        "pairs": [[door.refresh(client_id, token) for door in doors] for token in tokens[: crowd.pairs]],
        "fours": [[door.refresh(client_id, token) for door in (*doors, *doors)] for token in tokens[crowd.pairs :]],
    }
    flat = [call for groups in plan.values() for group in groups for call in group]
    assert len(flat) == crowd.requests
    answers = iter(await asyncio.gather(*flat))
    return {name: [[next(answers) for _ in group] for group in groups] for name, groups in plan.items()}


async def judged(home: House, client_id: str, done: dict[str, list[list[Answer]]]) -> None:
    pairs: list[dict[str, Any]] = []
    for (answer,) in done["once"]:
        assert answer.status == 200
        pairs.append(answer.body)
    for group in done["twice"]:
        good = granted(group)
        assert len(good) <= 1
        assert not any([await home.good(body) for body in good]), "what a replayed code gave is good for nothing"
    for group in (*done["pairs"], *done["fours"]):
        good = granted(group)
        assert len(good) == 2, "a refresh is answered, and once more for whoever lost the answer"
        assert len({(body["access_token"], body["refresh_token"]) for body in good}) == 1
        pairs.append(good[0])
    assert len({body["access_token"] for body in pairs}) == len(pairs), "no token is given for two things"
    assert all([await home.good(body) for body in pairs]), "no token is lost"
    # And each is still good for one turn, and for no second one.
    for body in pairs[:: max(1, len(pairs) // 20)]:
        assert (await home.refresh(client_id, body["refresh_token"])).status == 200
        home.clock.now += 61
        assert error_of(await home.refresh(client_id, body["refresh_token"])) == (400, "invalid_grant")


def granted(group: Iterable[Answer]) -> list[dict[str, Any]]:
    """Bodies of those that got tokens; all others were refused in the right words."""
    for answer in group:
        if answer.status != 200:
            assert error_of(answer) == (400, "invalid_grant")
    return [answer.body for answer in group if answer.status == 200]


async def crowded(folder: Path, tables: Sequence[Table], clock: MovedClock, crowd: Crowd) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(house(folder, table=tables[0], clock=clock))
        second = await stack.enter_async_context(house(folder, table=tables[1], clock=clock, member="eve@acme.dev"))
        client_id, _ = await first.dynamic()
        await judged(first, client_id, await tried([first, second], client_id, crowd))


class Contended(SqliteTable):
    """A table on which somebody else is always faster."""

    async def transact(self, writes: Sequence[Write]) -> None:
        raise Conflict("Somebody else was faster.")


async def test_who_is_never_fast_enough_is_told_to_come_back_and_loses_nothing(tmp_path: Path):
    clock = MovedClock()
    table, contended = SqliteTable(tmp_path / "gatehouse.db", clock), Contended(tmp_path / "gatehouse.db", clock)
    async with house(tmp_path, table=table, clock=clock) as home:
        client_id, _ = await home.dynamic()
        code = await home.code(client_id)
        slow = replace(home, issuer=replace(home.issuer, table=contended))
        with pytest.raises(StoreUnavailable):
            await slow.redeem(client_id, code)
        answer = await home.redeem(client_id, code)
        grant = await home.grant_of(answer.body["access_token"])
        assert grant is not None
        with pytest.raises(StoreUnavailable):
            await Grants(contended, clock).revoke(grant.place, grant.id)
        assert await Grants(table, clock).revoke(grant.place, grant.id)
    table.close()
    contended.close()


async def test_of_a_thousand_requests_at_once_no_token_is_lost_and_none_is_good_twice(tmp_path: Path):
    clock = MovedClock()
    tables = [SqliteTable(tmp_path / "gatehouse.db", clock) for _ in range(2)]
    crowd = Crowd(once=250, twice=125, pairs=150, fours=50)
    assert crowd.requests == 1_000
    await crowded(tmp_path, tables, clock, crowd)
    for table in tables:
        table.close()


@pytest.mark.usefixtures("aws_url")
async def test_of_many_requests_at_once_on_dynamodb_no_token_is_lost_and_none_is_good_twice(
    tmp_path: Path, request: pytest.FixtureRequest
):
    clock = MovedClock()
    table = await dynamo_table(request.getfixturevalue("aws_url"), clock)
    await crowded(tmp_path, [table, table], clock, Crowd(once=8, twice=6, pairs=6, fours=3))
