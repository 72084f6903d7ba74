"""What people see of how an account stands: when it was last used, and that it is about to end."""

import asyncio
from dataclasses import replace

import pytest

from gateway_core.access.api_keys import minute
from gateway_core.upstream.connections import Connection, Tokens
from gateway_core.web.oauth.accounts_shown import shown_account
from tests.flows.actors import admin_key, ask
from tests.flows.linear import Linear, linear
from tests.flows.token_servers import connections_of

HOUR = 3_600


async def used(at: Linear, made: Connection, by: int) -> Connection:
    """The connection once `by` is written down as its last use."""
    async with asyncio.timeout(5):
        while (found := (await at.kept(made))[0]).used_at != by:  # noqa: ASYNC110 - no call waits for the write
            await asyncio.sleep(0.01)
    return found


async def test_the_last_use_is_written_down_once_an_hour_and_outlives_a_renewal(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect(expires_at=at.gw.clock[0] + 3 * HOUR)
        begun = at.gw.clock[0]
        assert await at.said() == "Sunny."
        first = await used(at, made, begun)
        at.gw.clock[0] += HOUR - 1
        for _ in range(3):
            assert await at.said() == "Sunny."
        assert (await at.kept(made))[0].version == first.version
        at.gw.clock[0] += 1
        assert await at.said() == "Sunny."
        await used(at, made, begun + HOUR)
        # Renewed meanwhile.
        at.gw.clock[0] += 3 * HOUR
        assert await at.said() == "Sunny."
        found = (await at.kept(made))[0]
        assert (found.refreshed_at, found.used_at) == (begun + 4 * HOUR, begun + HOUR)
        assert await at.said() == "Sunny."
        await used(at, made, begun + 4 * HOUR)


async def test_a_call_that_the_server_does_not_take_is_no_use(tmp_path):
    async with linear(tmp_path, probed=True) as at:
        made = await at.connect()
        at.tokens.live.clear()
        at.tokens.refusal = {"error": "invalid_grant"}
        await at.said()
        assert (await at.kept(made))[0].used_at == 0


async def test_a_crowd_of_first_calls_all_go_through_and_write_it_down(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect()
        assert set(await asyncio.gather(*(at.said() for _ in range(32)))) == {"Sunny."}
        await used(at, made, at.gw.clock[0])


async def shown(at: Linear) -> dict[str, object]:
    """The one account that the admin API lists."""
    (one,) = (await ask(at.gw, await admin_key(at.gw), "GET", "/connections")).json()["connections"]
    return dict(one)


async def test_the_admin_api_tells_when_an_account_was_used_and_that_it_is_about_to_end(tmp_path):
    async with linear(tmp_path) as at:
        made = await at.connect()
        assert (await shown(at))["used_at"] is None
        assert (await shown(at))["state"] == "ok"
        await at.said()
        await used(at, made, at.gw.clock[0])
        assert (await shown(at))["used_at"] == at.gw.clock[0]
        await connections_of(at.gw).add(replace(made, renewable=False), Tokens("access-0"))
        assert (await shown(at))["state"] == "expiring"
        at.gw.clock[0] += HOUR
        # Nobody has called since; it has ended all the same.
        assert (await shown(at))["state"] == "needs_consent"


@pytest.mark.parametrize(
    ("changed", "state", "words"),
    [
        ({}, "ok", "Works. The gateway renews it."),
        ({"expires_at": None, "renewable": False}, "ok", "Works."),
        ({"renewable": False}, "expiring", "gives nothing to renew it with: connect it again then."),
        ({"failures": 2, "why": "It answered HTTP 500."}, "expiring", "It answered HTTP 500."),
        ({"state": "broken", "why": "No."}, "broken", "Does not work. No."),
        ({"state": "needs_consent", "why": "Ended."}, "needs_consent", "Needs you again. Ended."),
    ],
)
async def test_how_an_account_stands_is_said_in_words(tmp_path, changed, state, words):
    async with linear(tmp_path) as at:
        made, now = replace(await at.connect(), **changed), at.gw.clock[0]
        page = shown_account(made, None, path="", now=now)
        assert made.shown_state(now) == state
        assert page.state.endswith(words)
        assert page.well == (state == "ok")
        if state == "expiring":
            assert page.state.startswith(f"Works until {minute(now + HOUR)}. ")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"failures": 2, "why": "It answered HTTP 500."},
         "Its token ended on {}; it could not be renewed: It answered HTTP 500."),
        ({"renewable": False},
         "Needs you again. Its token ended on {}; the server gave nothing to renew it with."),
    ],
)  # fmt: skip
async def test_an_account_that_has_ended_before_any_call_found_out_is_not_said_to_work(tmp_path, changed, words):
    async with linear(tmp_path) as at:
        made, ends = replace(await at.connect(), **changed), at.gw.clock[0] + HOUR
        page = shown_account(made, None, path="", now=ends)
        assert (page.state, page.well) == (words.format(minute(ends)), False)
