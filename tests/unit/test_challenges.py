"""Words in a challenge and in an `error_description`."""

from gateway_core.protocol.header_values import quotable


def test_what_may_not_stand_between_quotes_is_said_otherwise():
    assert quotable('Ask "Zoë" at C:\\x\r\n…') == "Ask 'Zo?' at C:/x??..."
