"""What a gateway answers, as it reaches the terminal."""

import json

import pytest

from gateway_core.cli.answers import read_answer, sendable, shown


def test_text_that_would_steer_a_terminal_is_replaced_wherever_it_stands():
    told = {"\x1b[2J": ["a\x07b", {"x": "\u202ec\u2028\ud800"}], "number": 1}
    assert read_answer(json.dumps(told).encode()) == {"�[2J": ["a�b", {"x": "�c��"}], "number": 1}


def test_letters_of_any_script_stay():
    assert shown("Łukasz 山田 'O' #1") == "Łukasz 山田 'O' #1"


@pytest.mark.parametrize("body", [b"", b"x", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_is_a_value_error_however_deep_it_goes(body: bytes):
    with pytest.raises(ValueError, match=r"."):
        read_answer(body)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\u00e9", "\x00"])
def test_what_no_header_holds_is_no_credential(text: str):
    assert not sendable(text)
    assert sendable("gha_x-1")
