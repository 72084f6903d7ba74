"""Links by which accounts are connected: whole, bound, short-lived."""

import base64
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.local.keyring import LocalKeyring
from gateway_core.upstream.tickets import LIFE_S, MAX_CLIENT, Ticket, Tickets

NOW = 1_795_000_000


@pytest.fixture
def made(tmp_path):
    now = [NOW]
    keyring = LocalKeyring(tmp_path / "key", random_bytes=os.urandom)
    return Tickets(keyring, lambda: now[0]), keyring, now


async def test_a_ticket_comes_back_as_it_was_made_for_ten_minutes(made):
    tickets, _, now = made
    text = await tickets.seal("p-22222222", "linear-1", "ws-1", client="claude-code")
    assert await tickets.open(text) == Ticket("p-22222222", "linear-1", "ws-1", "claude-code", NOW + 600)
    now[0] += LIFE_S - 1
    assert await tickets.open(text) is not None
    now[0] += 1
    assert await tickets.open(text) is None


async def test_a_ticket_says_nothing_to_whoever_sees_it_and_fits_into_a_line(made):
    tickets, _, _ = made
    text = await tickets.seal("p-22222222", "l" * 49, "ws-12345678", client="x" * 500)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert b"p-2222" not in base64.urlsafe_b64decode(text + "==")
    assert len(text) < 300
    opened = await tickets.open(text)
    assert opened is not None
    assert opened.client == "x" * MAX_CLIENT


async def test_two_tickets_for_the_same_are_two(made):
    tickets, _, _ = made
    assert await tickets.seal("p", "s", "w", client="") != await tickets.seal("p", "s", "w", client="")


async def test_what_was_altered_or_sealed_for_something_else_is_no_ticket(made):
    tickets, keyring, _ = made
    text = await tickets.seal("p-22222222", "linear-1", "ws-1", client="")
    other = await keyring.seal(b'["p","s","w","",9999999999]', context="session")
    for wrong in (text[:-1], text[1:], text + "A", f"{text} ", text.swapcase(), "", "é" * 100, "A" * 5000,
                  base64.urlsafe_b64encode(other).decode()):  # fmt: skip
        assert await tickets.open(wrong) is None


@given(st.text(max_size=200))
async def test_whatever_a_url_holds_is_a_ticket_or_none(tmp_path_factory, text):
    keyring = LocalKeyring(tmp_path_factory.mktemp("k") / "key", random_bytes=os.urandom)
    assert await Tickets(keyring, lambda: NOW).open(text) is None
