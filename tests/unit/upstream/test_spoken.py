"""What is known of a server when not everything was asked."""

from gateway_core.upstream.spoken import Spoken

UNASKED = Spoken(modern=True, legacy="unasked")
MODERN, BOTH, LEGACY = Spoken(True, None), Spoken(True, "http"), Spoken(False, "http")


def test_what_was_not_asked_contradicts_nothing_of_the_same_server():
    assert all(UNASKED.agrees(one) and one.agrees(UNASKED) for one in (UNASKED, MODERN, BOTH))
    assert not UNASKED.agrees(LEGACY)


def test_two_full_findings_agree_when_they_are_the_same():
    assert MODERN.agrees(MODERN)
    assert not any(one.agrees(other) for one, other in [(MODERN, BOTH), (BOTH, LEGACY), (MODERN, LEGACY)])


def test_a_modern_client_needs_no_more_than_a_modern_server_and_a_legacy_client_does():
    assert UNASKED.tells("modern")
    assert not UNASKED.tells("legacy")
    assert MODERN.tells("legacy")
