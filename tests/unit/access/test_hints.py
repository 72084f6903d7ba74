"""Hints of what to read along: by credential and endpoint, bounded."""

from gateway_core.access import hints
from gateway_core.access.endpoint import Endpoint
from gateway_core.access.hints import Hints
from gateway_core.ports import Key

ANA, BO = Key("grants", "WORKSPACE#ws-1", "KEY#k-1"), Key("grants", "WORKSPACE#ws-1", "KEY#k-2")
LINEAR, OTHER = Endpoint("research", "linear"), Endpoint("research", "other")


def account(name: str) -> Key:
    return Key("grants", "CONNECTIONS#linear", name)


def test_a_hint_is_of_one_credential_at_one_endpoint_and_the_last_word_counts():
    known = Hints()
    known.learn(ANA, LINEAR, account("a"))
    known.learn(None, LINEAR, account("org"))
    assert known.of(ANA, LINEAR) == account("a")
    assert known.of(None, LINEAR) == account("org")
    for credential, endpoint in ((BO, LINEAR), (ANA, OTHER), (ANA, Endpoint(None, "linear"))):
        assert known.of(credential, endpoint) is None
    known.learn(ANA, LINEAR, account("b"))
    assert known.of(ANA, LINEAR) == account("b")
    known.forget(ANA, LINEAR)
    known.forget(ANA, LINEAR)
    assert known.of(ANA, LINEAR) is None


def test_no_more_is_remembered_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(hints, "MAX_HINTS", 3)
    known = Hints()
    for number in range(10):
        known.learn(Key("grants", "w", str(number)), LINEAR, account("a"))
    assert [known.of(Key("grants", "w", str(number)), LINEAR) for number in (6, 7, 9)] == [
        None, account("a"), account("a"),
    ]  # fmt: skip
