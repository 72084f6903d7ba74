"""Corpus S1 at every door: where a URL leads inside, nothing is dialled and nobody can tell what is there."""

import json
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from gateway_core.admin.drafts import ServerDraft
from gateway_core.errors import Invalid
from tests.flows.account_answers import HOME
from tests.flows.doors import DOORS, HOMES, Door, furnish, slug
from tests.flows.houses import House, house
from tests.flows.saved_fields import SAVED
from tests.internet import PUBLIC_ADDRESS, Internet, internet, page
from tests.ssrf import SETTINGS, Case, cases, policy_of

EVERY: Final = 3
"""Of the URLs that a door refuses by a rule of its own, one in so many is tried there."""
NOBODY: Final = "93.184.215.99"
"""A public address where nobody listens."""
UNANSWERED: Final = replace(
    cases()[0], id="S1-000", url="https://nobody.example/mcp", names={"nobody.example": [[NOBODY]]}, accepted=None,
    word="unanswered",
)  # fmt: skip


def by_policy() -> Iterator[tuple[str, list[Case]]]:
    """All cases but those with half a character, which neither the store nor a request can carry."""
    whole = [case for case in cases() if case.url.encode(errors="ignore").decode() == case.url]
    for word, group in groupby(sorted(whole, key=lambda case: case.policy), lambda case: case.policy):
        yield word, [UNANSWERED, *group]


def under(folder: Path, word: str) -> AbstractAsyncContextManager[House]:
    """A gateway under settings of the corpus."""
    return house(folder, word, SETTINGS[word], policy_of(word))


def lead(net: Internet, door: Door, case: Case) -> int:
    """Make the internet what the case says it is, with the site behind the door; how many visits lead up to it."""
    before = door.before(case)
    case.lead(net, door.wanted(case), before=before)
    if before and not case.refused_unseen:
        host = case.accepted.host if case.accepted else urlsplit(case.url).hostname or ""
        net.names[host] = [*door.first(case), *net.names.get(host, [[PUBLIC_ADDRESS]])]
    return len(before)


def allowed(door: Door, case: Case) -> list[Any]:
    """What may be seen at the URL's place and what comes of it, in this order: whose certificate was asked for, host,
    path, address and port. The first must be."""
    if door.closed(case):
        return []
    if case.redirects:
        host = urlsplit(case.url).netloc
        return [(host, host, path, PUBLIC_ADDRESS, 443) for path in door.paths(case)]
    taken = case.accepted
    if taken is None:
        return []
    # Each question is a connection of its own. A name that is led inward meanwhile ends it.
    found = case.names.get(taken.host, [[taken.address]])
    led = [(found[min(number, len(found) - 1)] or [""])[0] for number in range(len(door.paths(case)))]
    good = list(takewhile(lambda address: address in (taken.address, PUBLIC_ADDRESS), led))
    paths = zip(door.paths(case), good, strict=False)
    return [(taken.greeted, taken.authority, path, address, taken.port) for path, address in paths]


def mistake(net: Internet, door: Door, case: Case, before: int) -> Any:
    """What should not have been, as it was seen; None where all was as it should be."""
    if len(net.visits) < len(net.dialled):
        lonely = case is UNANSWERED and net.dialled.count((NOBODY, 443)) == len(net.dialled) - len(net.visits)
        return None if lonely else ("dialled", net.dialled, net.visits)
    pairs = list(zip(net.visits, net.dialled, strict=True))[before:]
    seen = [(visit.greeted, visit.host, visit.path, *at) for visit, at in pairs if visit.host not in HOMES]
    right = allowed(door, case)
    went = seen[:1] == right[:1] and seen == right[: len(seen)]
    plain = all(visit.headers["accept-encoding"] == "identity" for visit in net.visits)
    return None if went and plain else seen


@pytest.mark.parametrize("name", DOORS)
async def test_a_door_leads_to_vetted_addresses_alone_and_says_the_same_of_whatever_else_there_may_be(
    tmp_path: Path, name: str
):
    door, told, tried, went = DOORS[name], set(), 0, 0
    mistakes: dict[str, Any] = {}
    async with internet() as net:
        net.down = {NOBODY}
        for word, among in by_policy():
            async with under(tmp_path, word) as made:
                await furnish(made, door, among)
                for number, case in enumerate(among):
                    if door.closed(case) and number % EVERY:
                        continue
                    before = lead(net, door, case)
                    said = await door.knock(made, case)
                    found = mistake(net, door, case, before)
                    mistakes |= {} if found is None else {case.id: found}
                    tried += 1
                    went += case.accepted is not None and not door.closed(case)
                    if not (case.accepted or case.redirects or door.closed(case)):
                        told.add(said)
    assert mistakes == {}
    assert tried >= 240
    assert went >= 15
    assert len(told) == 1, "\n".join(told)


async def refused(made: House, name: str, among: list[Case]) -> set[str]:
    """The cases that cannot be written into the field `name`, by id."""
    entries = [{"slug": slug(case), "url": f"https://{HOME}/mcp", **SAVED[name](case.url)} for case in among]
    found, left = set(), []
    for case, entry in zip(among, entries, strict=True):
        try:
            ServerDraft.model_validate(entry)
            left.append((case, entry))
        except ValidationError:
            found.add(case.id)
    with pytest.raises(Invalid) as caught:
        await made.apply({"servers": [entry for _, entry in left]})
    for path, _ in caught.value.problems:
        assert ".".join(str(part) for part in path[3:]) == name
        found.add(left[int(path[2])][0].id)
    return found


@pytest.mark.parametrize("name", SAVED)
async def test_a_url_that_can_never_be_called_is_refused_where_it_is_written_and_nothing_is_asked_or_dialled_for_that(
    tmp_path: Path, name: str
):
    async with internet() as net:
        for word, among in by_policy():
            async with under(tmp_path, word) as made:
                queries = {case.id for case in among if name == "auth.issuer" and "?" in case.url}
                should = {case.id for case in among if case.refused_unseen}
                assert await refused(made, name, among) - queries == should - queries
        assert (net.asked, net.dialled) == ([], [])


async def test_an_icon_and_a_link_in_what_a_server_says_are_passed_on_and_never_fetched(tmp_path: Path):
    inside = "https://169.254.169.254/icon.png"
    link = {"type": "resource_link", "uri": inside, "name": "x", "icons": [{"src": inside, "mimeType": "image/png"}]}
    result = {"resultType": "complete", "content": [link]}
    case = next(case for case in cases() if case.accepted)
    async with internet() as net:
        async with under(tmp_path, "lambda") as made:
            await furnish(made, DOORS["the URL of a server"], [case])
            case.lead(net, page(json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()))
            told = await made.call(slug(case))
        assert told["result"]["content"] == [link]
        assert len(net.dialled) == len(net.asked) == 1
