"""Whole programs that are given the URL alone; too heavy for `make test`, run by `make clients`.

One program alone: `pytest tests/clients/sign_in_heavy.py -n0 -k codex`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.models import model
from tests.clients.sign_in_programs import ANSWER, NAME, PROGRAMS, TOOL, Desk, Program
from tests.clients.signing_in import Home, House, house
from tests.clients.terminal import Terminal
from tests.processes import free_port

pytestmark = pytest.mark.tools

every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    # Port 443 is shut, so that no document of a client can be fetched: the copies that come with the gateway must do.
    with house(tmp_path_factory.mktemp("sign-in"), {"EGRESS_PORTS": "8443"}) as running:
        yield running


@pytest.fixture
def home(gate: House, tmp_path: Path) -> Iterator[Home]:
    gate.front.reset()
    with gate.home(tmp_path) as made:
        yield made


@pytest.fixture
def desk(gate: House, home: Home) -> Iterator[Desk]:
    with model(NAME, TOOL) as thinking:
        yield Desk(Terminal(home.folder, home.opens), gate, thinking, free_port())


@pytest.mark.parametrize("remapped", [False, True], ids=["by-the-challenge", "by-the-metadata-alone"])
@every_program
def test_a_program_with_the_url_alone_signs_in_and_calls_a_tool(
    gate: House, home: Home, desk: Desk, program: Program, remapped: bool
):
    gate.front.remapped = remapped

    shown = program.enter(desk)

    assert program.entered in shown, shown
    (seen,) = home.browser.settle()
    assert program.trust in seen.seen[-1]
    assert seen.asked["client_id"].startswith(program.known)
    assert seen.asked["resource"] == desk.url
    assert ANSWER in (shown := program.call(desk)), shown


@every_program
def test_a_program_whose_access_token_has_lapsed_gets_another_without_its_user(
    gate: House, home: Home, desk: Desk, program: Program
):
    gate.front.shortened = program.starts_over
    program.enter(desk)
    if not program.starts_over:
        gate.front.let_lapse()
    shown = program.call(desk)
    again = program.call(desk)

    assert ANSWER in shown, shown
    assert ANSWER in again, again
    assert [one.status for one in gate.front.refreshes()] == [200]
    assert len(home.browser.settle()) == 1


@every_program
def test_a_program_that_was_put_out_says_so_to_its_user(gate: House, home: Home, desk: Desk, program: Program):
    program.enter(desk)
    gate.end_every_grant()
    home.browser.decision = "deny"

    shown = program.call(desk)

    assert program.refused in shown, shown
    assert ANSWER not in shown, shown


@every_program
def test_a_program_whose_person_says_no_is_not_in(gate: House, home: Home, desk: Desk, program: Program):
    home.browser.decision = "deny"

    shown = program.enter(desk)

    assert program.denied in shown, shown
    assert gate.front.paths("/token") == []
