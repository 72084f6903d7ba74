"""Passwords: how many are checked at once, and what the rest hear."""

import asyncio
import threading

import pytest

from gateway_core.errors import TooManyRequests
from gateway_core.signin import passwords
from gateway_core.signin.passwords import AT_ONCE, MAX_WAITING, Passwords


async def test_who_would_wait_behind_too_many_is_told_to_come_back_and_costs_no_work(monkeypatch: pytest.MonkeyPatch):
    go, worked = threading.Event(), []

    def held(password: str, record: object) -> bytes:
        worked.append(password)
        assert go.wait(10)
        return b""

    monkeypatch.setattr(passwords, "_scrypt", held)
    checking = Passwords()
    waiting = [asyncio.create_task(checking.matches("guess", None)) for _ in range(AT_ONCE + MAX_WAITING)]
    await asyncio.sleep(0)
    for attempt in (checking.matches("late", None), checking.record("late")):
        with pytest.raises(TooManyRequests, match=r"Many people sign in at this moment\. Try again") as refused:
            await attempt
        assert 0 < refused.value.retry_after_s <= 60
    # Who waits and leaves makes room; who leaves while a thread works for them does not.
    waiting[-1].cancel()
    waiting[0].cancel()
    await asyncio.sleep(0)
    last = asyncio.create_task(checking.matches("last", None))
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await checking.matches("late", None)
    go.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert done[1:-1] == [False] * (len(waiting) - 2)
    assert await last is False
    assert await checking.matches("later", None) is False
    assert "late" not in worked
    checking.close()
