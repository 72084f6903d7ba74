"""Both tables against a dictionary: whatever is done in whatever order, all three agree."""

import asyncio
import tempfile
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, ANY, PRESENT, Check, Delete, Key, Partition, Put, Table, Unchanged, Write
from gateway_core.storage.items import holds
from gateway_core.storage.sqlite import SqliteTable
from tests.contracts.aws import dynamo_table
from tests.contracts.conftest import MovedClock
from tests.contracts.reading import Seen, seen

SORT_KEYS = ("A", "A#1", "A#é", "B")
KEYS = [
    *(Key("registry", "ORG", sk) for sk in SORT_KEYS),
    *(Key("grants", "ORG", sk) for sk in SORT_KEYS[:2]),
    Key("registry", "OTHER", "A"),
]
COUNTER = Key("grants", "COUNTERS", "calls")

keys = st.sampled_from(KEYS)
data = st.fixed_dictionaries({"n": st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)})
conditions = st.sampled_from([ANY, ABSENT, PRESENT]) | st.builds(Unchanged, st.integers(1, 4))
lives = st.none() | st.integers(-1, 3)
writes = st.one_of(
    st.builds(Put, keys, data, conditions), st.builds(Delete, keys, conditions), st.builds(Check, keys, conditions)
)


@dataclass
class Model:
    """A table as a dictionary. What has expired keeps its place, as in a store that removes it later."""

    clock: MovedClock
    rows: dict[Key, Seen] = field(default_factory=dict)

    def live(self, key: Key) -> Seen | None:
        row = self.rows.get(key)
        return row if row and (row[2] is None or row[2] > self.clock.now) else None

    def put(self, key: Key, value: dict[str, Any], expires_at: int | None) -> None:
        self.rows[key] = (value, self.rows[key][1] + 1 if key in self.rows else 1, expires_at)

    def transact(self, batch: Sequence[Write]) -> bool:
        for write in batch:
            row = self.live(write.key)
            if not holds(write.when, row[1] if row else None):
                return False
        for write in batch:
            if isinstance(write, Put):
                self.put(write.key, dict(write.data), write.expires_at)
            elif isinstance(write, Delete):
                self.rows.pop(write.key, None)
        return True


class TableMachine(RuleBasedStateMachine):
    """One run of random calls. Subclasses say which table."""

    table: Table

    async def open(self) -> Table:
        raise NotImplementedError

    @initialize()
    def start(self) -> None:
        self.clock = MovedClock()
        self.model = Model(self.clock)
        self.runner = asyncio.Runner()
        self.table = self.runner.run(self.open())

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()

    def done(self, call: Awaitable[Any]) -> bool:
        async def outcome() -> bool:
            try:
                await call
            except Conflict:
                return False
            return True

        return self.runner.run(outcome())

    @rule(key=keys, value=data, when=conditions, life=lives)
    def put(self, key: Key, value: dict[str, Any], when: Any, life: int | None) -> None:
        expires_at = None if life is None else self.clock.now + life
        expected = self.model.transact([Put(key, value, when, expires_at)])
        assert self.done(self.table.put(key, value, when=when, expires_at=expires_at)) == expected

    @rule(key=keys, when=conditions)
    def delete(self, key: Key, when: Any) -> None:
        assert self.done(self.table.delete(key, when=when)) == self.model.transact([Delete(key, when)])

    @rule(batch=st.lists(writes, max_size=4, unique_by=lambda write: write.key))
    def transact(self, batch: list[Write]) -> None:
        assert self.done(self.table.transact(batch)) == self.model.transact(batch)

    @rule(amount=st.integers(-9, 9), life=st.integers(1, 3))
    def add(self, amount: int, life: int) -> None:
        row = self.model.live(COUNTER)
        count = (row[0]["count"] if row else 0) + amount
        expires_at = self.clock.now + life
        self.model.put(COUNTER, {"count": count}, row[2] if row else expires_at)
        assert self.runner.run(cast(Any, self.table.add(COUNTER, amount, expires_at=expires_at))) == count

    @rule(seconds=st.integers(1, 2))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(asked=st.lists(keys | st.just(COUNTER), max_size=8, unique=True))
    def read(self, asked: list[Key]) -> None:
        found = self.runner.run(cast(Any, self.table.get_many(asked)))
        assert [seen(item) for item in found] == [self.model.live(key) for key in asked]

    @rule(prefix=st.sampled_from(["", "A", "A#", "C"]), after=st.sampled_from([None, "A", "A#1", "B"]),
          limit=st.integers(1, 3))  # fmt: skip
    def query(self, prefix: str, after: str | None, limit: int) -> None:
        matching = [sk for sk in SORT_KEYS if sk.startswith(prefix) and sk > (after or "")]
        expected = [sk for sk in matching if self.model.live(Key("registry", "ORG", sk))]
        call = self.table.query(Partition("registry", "ORG"), prefix=prefix, after=after, limit=limit)
        page = self.runner.run(cast(Any, call))
        assert [item.key.sk for item in page.items] == expected[:limit]
        assert page.after == (expected[limit - 1] if len(expected) > limit else None)


class SqliteMachine(TableMachine):
    """On a file of its own."""

    async def open(self) -> Table:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteTable(Path(self.folder.name) / "gatehouse.db", self.clock)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            cast(SqliteTable, self.table).close()
            self.folder.cleanup()
        super().teardown()


def test_sqlite_does_what_a_dictionary_does():
    quick = settings(max_examples=60, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(SqliteMachine, settings=quick)


def test_dynamo_does_what_a_dictionary_does(aws_url: str):
    class DynamoMachine(TableMachine):
        async def open(self) -> Table:
            return await dynamo_table(aws_url, self.clock)

    quick = settings(
        max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(DynamoMachine, settings=quick)
