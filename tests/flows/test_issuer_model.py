"""Tokens against a naive model: issued, refreshed, replayed, revoked and left to expire in whatever order."""

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway_core.issuer.issuer import Answer
from tests.unit.issuer.house import FORM, House, error_of, form, headers, house

DAY = 86_400


@dataclass
class Family:
    """All that came of one redeemed code."""

    redeemed_at: int
    current: str
    refreshed_at: int
    access: dict[str, int] = field(default_factory=dict)
    """Access tokens, and when each ends."""
    old: list[str] = field(default_factory=list)
    rotated_at: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    repeated: bool = False
    dead: bool = False

    def alive(self, now: int) -> bool:
        return not self.dead and now < self.refreshed_at + 30 * DAY and now < self.redeemed_at + 180 * DAY


@dataclass
class Code:
    text: str
    approved_at: int
    family: Family | None = None


class TokenMachine(RuleBasedStateMachine):
    """One person, two clients, and a clock."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.home: House = self.run(self.stack.enter_async_context(house(Path(self.folder.name))))
        self.client_id: str = self.run(self.home.dynamic())[0]
        self.other_id: str = self.run(self.home.dynamic(client_name="Other"))[0]
        self.codes: list[Code] = []
        self.families: list[Family] = []

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.run(self.stack.aclose())
            self.folder.cleanup()
            self.runner.close()

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(call)

    @property
    def now(self) -> int:
        return self.home.clock.now

    @rule()
    def approve(self) -> None:
        self.codes.append(Code(self.run(self.home.code(self.client_id)), self.now))

    @precondition(lambda self: self.codes)
    @rule(data=st.data(), wrong=st.sampled_from([{}, {}, {"code_verifier": "x" * 43}, {"client": "other"}]))
    def redeem(self, data: st.DataObject, wrong: dict[str, str]) -> None:
        code = data.draw(st.sampled_from(self.codes))
        client_id = self.other_id if "client" in wrong else self.client_id
        parameters = {name: text for name, text in wrong.items() if name != "client"}
        answer = self.run(self.home.redeem(client_id, code.text, **parameters))
        self.redeemed(code, [answer], wrong=bool(wrong))

    @precondition(lambda self: self.codes)
    @rule(data=st.data(), times=st.integers(2, 4))
    def redeem_at_once(self, data: st.DataObject, times: int) -> None:
        code = data.draw(st.sampled_from(self.codes))
        calls = [self.home.redeem(self.client_id, code.text) for _ in range(times)]
        self.redeemed(code, self.run(together(calls)), wrong=False)

    def redeemed(self, code: Code, answers: list[Answer], *, wrong: bool) -> None:
        good = [answer for answer in answers if answer.status == 200]
        refused = [error_of(answer) for answer in answers if answer.status != 200]
        assert set(refused) <= {(400, "invalid_grant")}
        fresh = code.family is None and self.now < code.approved_at + 60 and not wrong
        assert len(good) == int(fresh)
        if fresh:
            body = good[0].body
            family = Family(self.now, body["refresh_token"], self.now, {body["access_token"]: self.now + 3_600})
            family.dead = len(answers) > 1
            code.family = family
            self.families.append(family)
        elif code.family is not None and not wrong and self.now < code.family.redeemed_at + DAY:
            code.family.dead = True

    @precondition(lambda self: self.families)
    @rule(data=st.data(), other=st.sampled_from([False, False, False, True]))
    def refresh(self, data: st.DataObject, other: bool) -> None:
        family = data.draw(st.sampled_from(self.families))
        token = data.draw(st.sampled_from([family.current, *family.old]))
        answer = self.run(self.home.refresh(self.other_id if other else self.client_id, token))
        if other or not family.alive(self.now):
            assert error_of(answer) == (400, "invalid_grant")
        elif token == family.current:
            self.rotated(family, answer)
        elif token == family.old[-1] and self.now - family.rotated_at <= 60:
            if family.repeated:
                assert error_of(answer) == (400, "invalid_grant")
            else:
                assert tokens_of(answer) == tokens_of(family.last)
            family.repeated = True
        else:
            assert error_of(answer) == (400, "invalid_grant")
            family.dead = True

    @precondition(lambda self: self.families)
    @rule(data=st.data(), times=st.integers(2, 4))
    def refresh_at_once(self, data: st.DataObject, times: int) -> None:
        family = data.draw(st.sampled_from(self.families))
        answers = self.run(together([self.home.refresh(self.client_id, family.current) for _ in range(times)]))
        good = [answer for answer in answers if answer.status == 200]
        if not family.alive(self.now):
            assert good == []
            return
        assert len(good) == 2
        assert tokens_of(good[0]) == tokens_of(good[1])
        self.rotated(family, good[0])
        family.repeated = True

    def rotated(self, family: Family, answer: Answer) -> None:
        assert answer.status == 200
        family.old.append(family.current)
        family.current, family.last = answer.body["refresh_token"], answer.body
        family.rotated_at = family.refreshed_at = self.now
        family.repeated = False
        family.access[answer.body["access_token"]] = self.now + answer.body["expires_in"]

    @precondition(lambda self: self.families)
    @rule(data=st.data(), other=st.sampled_from([False, False, True]))
    def revoke(self, data: st.DataObject, other: bool) -> None:
        family = data.draw(st.sampled_from(self.families))
        token = data.draw(st.sampled_from([family.current, *family.old, *family.access]))
        parameters = form({"token": token, "client_id": self.other_id if other else self.client_id})
        known = family.alive(self.now) and self.now < family.access.get(token, self.now + 1)
        answer = self.run(self.home.issuer.revoke(headers(FORM), parameters))
        assert answer.status == (400 if other and known else 200)
        if other:
            return
        if token in family.access:
            family.access[token] = 0
        else:
            family.dead = True

    @rule(seconds=st.sampled_from([1, 30, 31, 61, 3_600, DAY, 29 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.home.clock.now += seconds

    @invariant()
    def a_token_is_good_exactly_when_the_model_says_so(self) -> None:
        for family in getattr(self, "families", []):
            for token, ends_at in family.access.items():
                expected = family.alive(self.now) and self.now < ends_at
                assert self.run(self.home.good({"access_token": token})) is expected


def tokens_of(answer: Answer | dict[str, Any]) -> tuple[str, str]:
    body = answer.body if isinstance(answer, Answer) else answer
    return body["access_token"], body["refresh_token"]


async def together(calls: list[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    return list(await asyncio.gather(*calls))


def test_tokens_do_what_a_naive_model_does():
    quick = settings(max_examples=40, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(TokenMachine, settings=quick)
