"""Key sets and introspection, seen from the issuer: how often it is asked, and what happens when it does not answer."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway_core.access import jwt_checks, jwt_key_sets
from gateway_core.access.jwt_checks import JwtChecks
from gateway_core.access.jwt_key_sets import KeySets
from gateway_core.registry.jwt_validation import InlineKeys, Introspection, JwtValidation, KeySetUrl
from tests.flows.foreign import AUDIENCE, ISSUER, RSA, RSA_OTHER, public, token
from tests.flows.gateways import NOW

WHERE = KeySetUrl("https://idp/jwks")


class Answering:
    """An issuer: answers once it may, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.answer: tuple[int, bytes] | None = (200, json.dumps(public(RSA)).encode())
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, bytes]:
        self.asked.append(url)
        self.heard.put_nowait(url)
        await self.may.wait()
        if self.answer is None:
            raise ConnectionError("refused")
        return self.answer


async def test_one_fetch_serves_all_who_wait_for_it_even_when_the_first_of_them_leaves():
    issuer = Answering()
    issuer.may.clear()
    sets = KeySets(issuer, lambda: NOW)
    waiting = [asyncio.create_task(sets.find(WHERE, alg="RS256", kid="rsa-1")) for _ in range(20)]
    await issuer.heard.get()
    waiting[0].cancel()
    issuer.may.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(key is not None and not isinstance(key, BaseException) for key in found[1:])
    assert len(issuer.asked) == 1


async def test_after_a_failure_the_issuer_is_left_alone_for_ten_seconds_and_nothing_is_believed():
    issuer, now = Answering(), [NOW]
    sets = KeySets(issuer, lambda: now[0])
    issuer.answer = None
    for second in range(11):
        now[0] = NOW + second
        assert await sets.find(WHERE, alg="RS256", kid="rsa-1") is None
        assert await sets.find(WHERE, alg="RS256", kid="made-up") is None
    assert len(issuer.asked) == 2


async def test_no_more_sets_are_kept_than_the_bound_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(jwt_key_sets, "MAX_SETS", 3)
    issuer = Answering()
    sets = KeySets(issuer, lambda: NOW)
    for name in ("a", "b", "c", "a", "d", "b", "a"):
        assert await sets.find(KeySetUrl(name), alg="RS256", kid=None) is not None
    assert issuer.asked == ["a", "b", "c", "d", "a"]


async def test_inline_keys_are_read_once_and_keys_that_are_none_verify_nothing():
    sets = KeySets(Answering(), lambda: NOW)
    inline = InlineKeys(json.dumps(public(RSA, RSA_OTHER)))
    first = await sets.find(inline, alg="RS256", kid="rsa-2")
    assert first is not None
    assert await sets.find(inline, alg="RS256", kid="rsa-2") is first
    assert await sets.find(inline, alg="RS256", kid=None) is None
    assert await sets.find(InlineKeys("{"), alg="RS256", kid=None) is None


ASKING = JwtValidation(ISSUER, Introspection("https://idp/introspect", "us", "s"), (AUDIENCE,))


def checks(issuer: Answering) -> JwtChecks:
    async def secret(name: str, revision: str) -> str | None:
        return {"s": "s3cret"}.get(name)

    return JwtChecks(issuer, secret, lambda: NOW, KeySets(issuer, lambda: NOW))


async def test_no_more_introspections_are_under_way_than_the_bound_and_the_next_ones_are_refused(monkeypatch):
    monkeypatch.setattr(jwt_checks, "MAX_AT_ONCE", 2)
    issuer = Answering()
    issuer.answer = (200, json.dumps({"active": True, "aud": AUDIENCE, "sub": "ana", "exp": NOW + 9}).encode())
    issuer.may.clear()
    check = checks(issuer)
    waiting = [asyncio.create_task(check("t", ASKING, "r")) for _ in range(2)]
    for _ in waiting:
        await issuer.heard.get()
    assert await check("t", ASKING, "r") is None
    issuer.may.set()
    assert [person and person.subject for person in await asyncio.gather(*waiting)] == ["ana", "ana"]
    assert (await check("t", ASKING, "r")) is not None


async def test_without_the_secret_or_an_answer_nobody_is_vouched_for():
    issuer = Answering()
    check = checks(issuer)
    assert await check("t", replace(ASKING, vouching=Introspection("https://idp", "us", "other")), "r") is None
    assert issuer.asked == []
    issuer.answer = None
    assert await check("t", ASKING, "r") is None


async def test_why_a_token_was_not_believed_is_in_the_log_and_the_token_is_not(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    shown = token(key=RSA_OTHER, header={"kid": "rsa-1"})
    assert await checks(Answering())(shown, replace(ASKING, vouching=WHERE), "r") is None
    (line,) = [record for record in caplog.records if record.message == "jwt_refused"]
    assert line.__dict__["fields"] == {"issuer": ISSUER, "why": "wrong_signature"}
    assert shown.partition(".")[0] not in caplog.text
