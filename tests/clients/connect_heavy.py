"""Whole programs whose person has to connect an account; too heavy for `make test`, run by `make clients`.

One program alone: `pytest tests/clients/connect_heavy.py -n0 -k codex`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.accounts import Somebody, Stage, stage
from tests.clients.clients import HEAVY, Client
from tests.clients.connect_programs import CLAUDE, CODEX, PROGRAMS, Program, Seat, claude_on_screen, seat
from tests.clients.connecting import (
    WHY,
    connects_at_the_first_link,
    ends_with_the_link,
    goes_on_in_the_same_session,
    link_in,
)

pytestmark = pytest.mark.tools

MORE = "Notes wants more permission for this than it was given: notes:read notes:write."
ASKED, LAST = ("wants to open a URL", b""), "to switch"
"""How Claude Code's dialog begins, and how its last line ends."""
ESCAPE = b"\x1b"

FASTMCP = [client for client in HEAVY if client.program == "fastmcp"]

every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
fastmcp = pytest.mark.parametrize("client", FASTMCP, ids=lambda client: client.name)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("accounts")) as running:
        yield running


@pytest.fixture
def ana(at: Stage, tmp_path: Path) -> Iterator[Somebody]:
    with at.somebody(tmp_path) as somebody:
        yield somebody


@pytest.fixture
def desk(ana: Somebody) -> Iterator[Seat]:
    with seat(ana) as made:
        yield made


@pytest.mark.parametrize(
    "program", [program for program in PROGRAMS if program is not CODEX], ids=lambda program: program.name
)
def test_a_program_without_an_account_shows_its_user_the_link_that_leads_to_one(desk: Seat, program: Program):
    program.enter(desk)
    # Claude Code blacks out every word of a message that is a part of the server's address, as "notes" is.
    why = WHY.removeprefix("Notes")

    desk.person.connect(link_in(program.opens(desk), why))

    assert WHY not in (shown := program.call(desk)), shown
    assert MORE in shown, shown


@pytest.mark.parametrize(
    ("program", "words"),
    [(CODEX, "unsupported call"), (CLAUDE, "No such tool available")],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_agent_at_its_work_leaves_a_server_without_an_account_out_and_shows_no_link(
    desk: Seat, program: Program, words: str
):
    program.enter(desk)

    shown = program.call(desk)

    assert words in shown, shown
    assert "authorization_url" not in shown


@every_program
def test_a_program_whose_call_takes_more_permission_shows_the_link_and_the_next_call_goes_through(
    desk: Seat, program: Program
):
    program.enter(desk)
    desk.person.connect()
    link = link_in(shown := program.call(desk), MORE)
    assert desk.answer not in shown

    desk.person.connect(link)

    assert desk.answer in (shown := program.call(desk)), shown


def test_claude_code_opens_the_page_from_a_dialog_and_its_one_call_answers(desk: Seat):
    CLAUDE.enter(desk)
    desk.person.connect()
    done = [("I'm done, continue", b"\r"), (desk.answer, b"")]

    shown = claude_on_screen(desk, [ASKED, (LAST, b"\r"), *done])

    assert "".join(MORE.split()) in shown
    assert len(desk.person.opened) == 1


def test_claude_code_whose_person_declines_ends_with_the_link_in_words(desk: Seat):
    CLAUDE.enter(desk)
    desk.person.connect()

    shown = claude_on_screen(desk, [ASKED, (LAST, ESCAPE), ("It said:", b""), ("then call again.", b"")])

    assert "authorization_url:" in shown
    assert desk.person.opened == []


@fastmcp
def test_fastmcp_without_an_account_shows_its_user_the_link_that_leads_to_one(ana: Somebody, client: Client):
    connects_at_the_first_link(client, ana)


@fastmcp
def test_fastmcp_whose_permission_has_ended_hears_the_link_and_its_session_goes_on(ana: Somebody, client: Client):
    goes_on_in_the_same_session(client, ana)


@pytest.mark.parametrize("pages", ["decline", "none"])
def test_fastmcp_that_opens_no_page_ends_with_the_link_in_words(ana: Somebody, pages):
    (client,) = [client for client in FASTMCP if client.name == "fastmcp-auto"]
    ends_with_the_link(client, ana, pages)
