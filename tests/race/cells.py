"""One cell of the matrix: so many processes, a provider of one kind, perhaps a death, round after round; what came of
it, and what must have."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway_core.upstream.leases import LEASE_S
from gateway_core.upstream.renewal import BACKOFF_S, MARGIN_S
from tests.race.fleet import Answer, Runner, order
from tests.race.track import LIFE_S, Track
from tests.race.worker import MAY_DIE, Point

Kind = Literal["strict", "grace", "not rotating", "slow", "500, then good", "very slow", "answer lost", "lost, grace"]
PROVIDERS: Final[Mapping[Kind, Mapping[str, Any]]] = {
    "strict": {},
    "grace": {"rotation": "grace"},
    "not rotating": {"rotation": "none"},
    "slow": {"late_s": 0.4},
    "500, then good": {"failures": 1},
    "very slow": {"late_s": 7.0},
    "answer lost": {"late_s": 8.5},
    "lost, grace": {"late_s": 8.5, "rotation": "grace"},
}
"""How the provider behaves. It rotates refresh tokens and takes the second use of one for a theft, unless it says
otherwise. An answer is waited for 8 seconds."""
USUAL: Final[Mapping[str, Any]] = {"rotation": "strict", "late_s": 0.0, "failures": 0}
UNEASY: Final = frozenset({"500, then good", "answer lost", "lost, grace"})
"""Where calls may be told to come again."""

End = Literal["over", "at the margin", "revoked"]
ENDS: Final[Sequence[End]] = ("over", "at the margin", "revoked")
"""How an access token ends, in turn: long ago; just now, so that the clocks do not agree about it; or all of a sudden,
so that the server says so."""
NEEDS_CONSENT: Final = "authorization_url"
"""The word before the link at which an account is connected again."""
CLOCKS_S: Final = 5
"""More than any two clocks differ."""
LATER_S: Final = 4 * BACKOFF_S + CLOCKS_S
"""So much later calls that were told to come again do so: a provider that failed twice is asked again by then."""


@dataclass(frozen=True, slots=True)
class Cell:
    """See the module."""

    processes: int
    rounds: int
    provider: Kind = "strict"
    dies: Point | None = None
    """Where whoever renews the tokens is killed, in each round."""
    waits: bool = False
    """True: after a death the clocks just go on, and everybody calls until a call goes through. Otherwise they are put
    forward, to when the lease of the dead has lapsed."""
    leases: bool = True
    """False: nobody waits for anybody, to show that they do race."""
    ends: bool = True
    """False: tokens do not end, to show what a call takes then."""

    @property
    def once(self) -> bool:
        """True where exactly one token call must be made each time."""
        return self.leases and self.provider not in UNEASY and self.dies != "between token call and write"

    @property
    def loses(self) -> bool:
        """True where each round must cost the account: nobody has the token that the provider takes."""
        died = self.dies == "between token call and write" and self.provider == "strict"
        return died or self.provider == "answer lost"


@dataclass
class Outcome:
    """What came of a cell."""

    cell: Cell
    ended: int = 0
    """So often the access token ended."""
    asked: int = 0
    """Requests that the token endpoint saw."""
    granted: int = 0
    """Those of them that it gave tokens for."""
    lost: int = 0
    """So often the account had to be connected again."""
    told: int = 0
    """So often somebody was told to connect it, with a link."""
    again: int = 0
    """Calls that were not carried out, and told to come again."""
    afterwards: int = 0
    """Those of the calls a moment later that did not go through."""
    died: int = 0
    ms: list[float] = field(default_factory=list)
    """What calls took that went through, from the moment at which all started."""

    def wrong(self) -> list[str]:
        """What is not as it must be, in words."""
        cell = self.cell
        if not cell.leases:
            return _unless({"without leases the account is lost, or nobody races": self.lost > 0})
        lost = cell.rounds if cell.loses else 0
        must = {
            "the account is lost each time, or never": self.lost == lost,
            "whoever loses it is told where to connect it, and nobody else": (self.told > 0) == cell.loses,
            "one process dies in each round, or none does": self.died == (cell.rounds if cell.dies else 0),
            "every call goes through": self.again == 0 or cell.provider in UNEASY,
            "every call goes through a moment later": self.afterwards == 0 or cell.loses,
        }
        if cell.once:
            must["exactly one token call for each end"] = self.asked == self.granted == self.ended
        if cell.provider == "500, then good":
            must["one token call that fails for each end, and one that does not"] = (
                self.granted == self.ended and self.asked == 2 * self.ended
            )
        return _unless(must)


def _unless(must: Mapping[str, bool]) -> list[str]:
    return [said for said, true in must.items() if not true]


async def run(track: Track, cell: Cell) -> Outcome:
    """All rounds of a cell."""
    outcome, provider = Outcome(cell), track.provider
    await track.connect()
    for number in range(cell.rounds):
        asked, granted = len(provider.forms), provider.granted
        vars(provider).update({**USUAL, **PROVIDERS[cell.provider]})
        if cell.ends:
            await _end(track, ENDS[number % len(ENDS)])
            outcome.ended += 1
        await _round(track, cell, outcome)
        outcome.asked += len(provider.forms) - asked
        outcome.granted += provider.granted - granted
        if not await track.kept():
            outcome.lost += 1
            await track.connect()
        track.upstream.seen.clear()
    return outcome


async def _end(track: Track, end: End) -> None:
    """The access token ends."""
    if end == "at the margin":
        account = await track.account()
        track.time.move((account.expires_at or 0) - MARGIN_S - track.time.now())
        return
    if end == "over":
        track.time.move(LIFE_S + CLOCKS_S)
    track.provider.live.clear()


async def _round(track: Track, cell: Cell, outcome: Outcome) -> None:
    """All call at once; and once more where something went wrong."""
    runners = track.runners[: cell.processes]
    if cell.dies is not None:
        (track.folder / MAY_DIE).touch()
    first = await _all_call(track, cell, runners)
    _note(outcome, first)
    if cell.dies is None and cell.provider not in UNEASY:
        return
    vars(track.provider).update({"failures": 0, "late_s": 0.0})
    if not cell.waits:
        track.time.move(LATER_S)
    alive = [runner for runner, answer in zip(runners, first, strict=True) if answer is not None]
    told = order(alive)
    later = await asyncio.gather(*(runner.call(told) for runner in alive))
    outcome.afterwards += sum(answer is None or not answer.ok for answer in later)
    outcome.told += sum(answer is not None and NEEDS_CONSENT in answer.text for answer in later)
    await asyncio.gather(*(runner.revive() for runner in runners))


async def _all_call(track: Track, cell: Cell, runners: Sequence[Runner]) -> list[Answer | None]:
    told = order(runners, dies=cell.dies, leases=cell.leases, patient=cell.waits)

    async def one(runner: Runner) -> Answer | None:
        answer = await runner.call(told)
        if answer is None and not cell.waits:
            track.time.move(LEASE_S + CLOCKS_S)
        return answer

    return await asyncio.gather(*(one(runner) for runner in runners))


def _note(outcome: Outcome, answers: Sequence[Answer | None]) -> None:
    for answer in answers:
        if answer is None:
            outcome.died += 1
        elif answer.ok:
            outcome.ms.append(answer.ms)
        elif NEEDS_CONSENT in answer.text:
            outcome.told += 1
        else:
            assert "Try again" in answer.text, answer.text
            outcome.again += 1
