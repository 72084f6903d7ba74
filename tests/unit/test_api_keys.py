"""API keys: their form, and at which second they stop."""

from dataclasses import replace

import pytest

from gateway_core.access import api_keys
from gateway_core.access.api_keys import ApiKey
from gateway_core.errors import Unauthenticated

TOKEN = api_keys.generate("ws-abcdefgh", "k-23456789")
KEY = ApiKey("k-23456789", "ws-abcdefgh", api_keys.digest(TOKEN), "user", "ana@acme.dev", None, 0, "ana@acme.dev")


def test_a_key_spells_out_where_it_is_found_and_holds_256_random_bits():
    assert api_keys.locate(TOKEN) == ("ws-abcdefgh", "k-23456789")
    secret = TOKEN.rpartition("_")[2]
    assert len(secret) == 43
    assert secret.isalnum()
    assert api_keys.generate("ws-abcdefgh", "k-23456789") != TOKEN
    assert secret not in str(api_keys.to_data(KEY))
    assert api_keys.from_data(api_keys.to_data(KEY)) == KEY


def test_what_is_no_key_is_told_so_without_a_look_into_the_store():
    for text in ("", TOKEN.upper(), " " + TOKEN, "sk-123"):
        with pytest.raises(Unauthenticated, match="not a Gatehouse API key"):
            api_keys.locate(text)


def test_a_key_that_was_not_copied_whole_is_told_so_with_how_long_a_whole_one_is():
    assert len(TOKEN) == api_keys.LENGTH
    for text in ("ghk_", TOKEN + "x", TOKEN[:-1], TOKEN + "\n", TOKEN[:-1] + "…"):
        words = f"looks cut off or mistyped: a whole one has {len(TOKEN)} characters, this one has {len(text)}"
        with pytest.raises(Unauthenticated, match=words):
            api_keys.locate(text)


def test_a_key_works_until_the_second_it_expires_and_not_once_it_is_revoked():
    key = replace(KEY, expires_at=100, member_id="p-23456789")
    assert api_keys.caller_of(TOKEN, key, 99).principal == "ws-abcdefgh/user/ana@acme.dev"
    with pytest.raises(Unauthenticated, match="expired on 1 Jan 1970"):
        api_keys.caller_of(TOKEN, key, 100)
    with pytest.raises(Unauthenticated, match=r"revoked on 3 Nov 2026 by bo@acme\.dev"):
        api_keys.caller_of(TOKEN, replace(key, revoked_at=1_793_700_000, revoked_by="bo@acme.dev"), 0)
    with pytest.raises(Unauthenticated, match="not known here"):
        api_keys.caller_of(TOKEN[:-1] + "\x00", key, 0)
