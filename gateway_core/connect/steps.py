"""What was asked on the way to a log-in and what came back, step by step: what an administrator is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway_core.connect.asking import Answer, Asker, Fields, read_object
from gateway_core.connect.quoting import readable, shown, without_query
from gateway_core.egress import NotReached
from gateway_core.errors import UpstreamError, UpstreamUnreachable

StepName = Literal[
    "address", "challenge", "resource", "server", "endpoints", "pkce", "scopes", "client", "secrets", "account", "tools"
]
Outcome = Literal["ok", "warning", "failed", "skipped"]

SHOWN_HEADERS: Final = ("www-authenticate", "location", "content-type")
"""Headers that explain an answer."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as they may be shown: without secrets and without what does not print."""

    request: str
    """Method and URL, as far as it is shown."""
    status: int | None
    """None where no answer came."""
    headers: tuple[tuple[str, str], ...]
    """Those of `SHOWN_HEADERS` that were there."""
    body: str
    """How it begins."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was found out, or was not."""

    name: StepName
    outcome: Outcome
    told: str
    """In words, with what to do where there is something to do."""
    exchange: Exchange | None = None


class DiscoveryFailed(UpstreamError):
    """Nobody can be sent to log in. The message says what failed and what to do.

    Args:
        message: Public words.
        steps: All that was done, the step that failed last.
    """

    reason = "discovery_failed"

    def __init__(self, message: str, steps: tuple[Step, ...]) -> None:
        super().__init__(message)
        self.steps = steps


class DiscoveryUnreachable(DiscoveryFailed, UpstreamUnreachable):
    """The same, where nobody could be asked: trying again may help."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back to one question."""

    exchange: Exchange
    answer: Answer | None
    problem: str = ""
    """Why nothing usable came back, in words that go on with "it" or a name and end without a full stop."""
    unreachable: bool = False
    """True where nothing was even sent."""

    @property
    def document(self) -> Mapping[str, Any] | str:
        """The JSON object that was asked for, or in words why there is none."""
        if self.answer is None:
            return self.problem
        if 300 <= self.answer.status < 400:
            return f"redirects (HTTP {self.answer.status}), which is not followed"
        if self.answer.status != 200:
            return f"answers HTTP {self.answer.status}"
        found = read_object(self.answer.body)
        return f"answers with something that is {found}" if isinstance(found, str) else found


class Trail:
    """The steps of one discovery as it goes on."""

    def __init__(self, ask: Asker, steps: tuple[Step, ...] = ()) -> None:
        self._ask = ask
        self._steps = list(steps)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All so far."""
        return tuple(self._steps)

    def note(self, name: StepName, outcome: Outcome, told: str, exchange: Exchange | None = None) -> None:
        """Add one."""
        self._steps.append(Step(name, outcome, readable(told), exchange))

    def failed(self, name: StepName, told: str, exchange: Exchange | None = None) -> DiscoveryFailed:
        """Add the last one. What it tells is what the error, which the caller raises, says too."""
        self.note(name, "failed", told, exchange)
        return DiscoveryFailed(readable(told), self.steps)

    def unreachable(self, name: StepName, told: str, exchange: Exchange | None = None) -> DiscoveryUnreachable:
        """The same, where nobody could be asked."""
        self.note(name, "failed", told, exchange)
        return DiscoveryUnreachable(readable(told), self.steps)

    async def get(self, url: str) -> Heard:
        """Ask for the document at `url`."""
        return await self.send("GET", url, [("accept", "application/json")])

    async def send(self, method: str, url: str, headers: Fields, body: bytes = b"") -> Heard:
        """Ask anything. Never raises: no answer is one, too."""
        try:
            answer = await self._ask(method, url, headers, body)
        except UpstreamError as problem:
            return Heard(unanswered(method, url), None, _why(problem), isinstance(problem, UpstreamUnreachable))
        return Heard(exchange_of(method, url, answer), answer)


def _why(problem: UpstreamError) -> str:
    """What has happened, as `Heard.problem`."""
    cause = problem.cause if isinstance(problem, NotReached) else problem.message.rstrip(".")
    if isinstance(problem, UpstreamUnreachable):
        return f"cannot be reached ({cause})" if cause else "cannot be reached"
    return f"gave no answer that can be used ({cause})"


def exchange_of(method: str, url: str, answer: Answer) -> Exchange:
    """A request and its answer, as they may be shown."""
    said = {name: answer.headers[name] for name in SHOWN_HEADERS if name in answer.headers}
    if "location" in said:
        said["location"] = without_query(said["location"])
    headers = tuple((name, readable(value)) for name, value in said.items())
    return Exchange(_request_line(method, url), answer.status, headers, shown(answer.body))


def unanswered(method: str, url: str) -> Exchange:
    """A request to which no answer came, as it may be shown."""
    return Exchange(_request_line(method, url), None, (), "")


def _request_line(method: str, url: str) -> str:
    return readable(f"{method} {without_query(url)}")
