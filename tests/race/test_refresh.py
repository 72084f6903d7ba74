"""The refresh race on a small scale: real processes that are really killed. `make race` is the whole of it."""

from collections.abc import Sequence
from pathlib import Path

from tests.race.cells import Cell, Kind, run
from tests.race.track import track
from tests.race.worker import POINTS
from tests.race.worlds import Store

KINDS: Sequence[Kind] = ("strict", "grace", "not rotating", "slow", "500, then good")


async def raced(folder: Path, store: Store, cells: Sequence[Cell]) -> None:
    async with track(folder, store, max(cell.processes for cell in cells)) as made:
        for cell in cells:
            outcome = await run(made, cell)
            assert outcome.wrong() == [], outcome


async def test_processes_whose_clocks_differ_renew_a_token_once_whichever_way_it_ends_and_lose_no_account(tmp_path):
    await raced(tmp_path, "sqlite", [Cell(size, 5, kind) for size in (2, 8) for kind in KINDS])


async def test_the_same_processes_lose_the_account_where_none_of_them_waits_for_another(tmp_path):
    await raced(tmp_path, "sqlite", [Cell(4, 5, leases=False)])


async def test_after_a_kill_at_any_step_the_others_go_on_unless_nobody_can_know_the_new_token(tmp_path):
    deaths = [Cell(3, 1, dies=point) for point in POINTS]
    kept: Sequence[Kind] = ("grace", "not rotating")
    between = [Cell(3, 1, kind, dies="between token call and write") for kind in kept]
    await raced(tmp_path, "sqlite", [*deaths, *between])


async def test_on_dynamodb_and_kms_it_is_the_same(tmp_path):
    await raced(tmp_path, "dynamo", [Cell(3, 3), Cell(3, 1, dies="before the token call")])
