"""The pure parts of the pages: text of others, addresses, forms, stamps, and where a browser may be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.errors import BadRequest
from gateway_core.headers import Headers
from gateway_core.sealing import NONCE_BYTES, new_ring
from gateway_core.web.oauth.clients_shown import document_host, shown, trust_in
from gateway_core.web.oauth.forms import FORM, parameter, read_form
from gateway_core.web.oauth.next_path import (
    ACCOUNT,
    JOIN,
    SETUP,
    authorize_path,
    join_path,
    safe_next,
    setup_path,
    token_in,
)
from gateway_core.web.oauth.render import form_target
from gateway_core.web.oauth.stamps import GOOD_FOR_S, MAX_STAMP, Stamps
from gateway_core.web.oauth.visible import MAX_SHOWN, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Claude Code", "Claude Code"),
        ("Žluťoučký kůň 日本語 🙂", "Žluťoučký kůň 日本語 🙂"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\u2066b\u2069", "a⟨U+2066⟩b⟨U+2069⟩"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("a\x00\x1b[31m", "a⟨U+0000⟩⟨U+001B⟩[31m"),
        ("a\nb\t c", "a b c"),
        ("a\u2028b", "a⟨U+2028⟩b"),
        ("\ud800", "⟨U+D800⟩"),
        ("e\u0301", "e\u0301"),
        ("e" + "\u0301" * 4, "e" + "\u0301" * 3 + "⟨U+0301⟩"),
        ("a" * MAX_SHOWN, "a" * MAX_SHOWN),
        ("a" * (MAX_SHOWN + 1), "a" * MAX_SHOWN + "…"),
    ],
)
def test_text_of_others_is_shown_with_everything_that_is_in_it(text, seen):
    assert visible(text) == seen


@given(st.text())
def test_nothing_that_is_shown_is_hidden_or_cannot_be_sent(text):
    seen = visible(text)
    assert seen.encode() == seen.encode("utf-8", "replace")
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\x00\x1b\r\n") & set(seen)


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://claude.ai/api/mcp/auth_callback", None),
        ("HTTPS://Claude.ai:8443/x", None),
        ("http://localhost:1/x", "http://localhost:1 https:"),
        ("HTTP://LocalHost/x", "http://localhost https:"),
        ("http://[::1]:1/x", "http: https:"),
        ("http://u:p@h.example/x", "http: https:"),
        ("http://h.example;script-src *", "http: https:"),
        ("cursor://x/y", "cursor:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("", ""),
    ],
)
def test_where_a_form_may_end_never_lets_another_directive_in(url, source):
    assert form_target(url) == source


@pytest.mark.parametrize(
    ("uri", "address", "loopback", "program"),
    [
        ("http://localhost:64041/callback", "localhost:64041", True, False),
        ("http://127.0.0.1/", "127.0.0.1", True, False),
        ("http://[::1]:7/cb", "[::1]:7", True, False),
        ("https://claude.ai/cb", "claude.ai", False, False),
        ("https://localhost.evil.example/cb", "localhost.evil.example", False, False),
        ("cursor://anysphere/cb", "cursor://", False, True),
    ],
)
def test_a_person_is_told_where_the_answer_goes(uri, address, loopback, program):
    told = shown(name=" ", trust="unverified", host=None, redirect_uri=uri)
    assert (told.name, told.address, told.loopback, told.program) == ("no name", address, loopback, program)


def test_only_a_metadata_document_has_a_host_that_vouches():
    assert document_host("https://claude.ai/oauth/x", "metadata_document") == "claude.ai"
    assert document_host("https://app.example:8443/x", "metadata_document") == "app.example:8443"
    assert document_host("https://claude.ai/oauth/x", "registered") is None


def test_a_mark_is_earned_by_coming_with_the_gateway_and_by_no_name_of_ones_own():
    assert trust_in("metadata_document", well_known=True) == "verified"
    assert trust_in("metadata_document", well_known=False) == "published"
    # An id that is made up to look like a well-known one proves nothing where the kind says otherwise.
    assert trust_in("dynamic", well_known=True) == "unverified"
    assert trust_in("registered", well_known=False) == "entered"
    assert trust_in("built_in", well_known=False) == "built_in"


def test_a_form_has_twenty_fields_at_most():
    headers = Headers({"content-type": FORM}, frozenset())
    assert len(read_form(headers, b"&".join(b"a%d=1" % n for n in range(20)))) == 20
    with pytest.raises(BadRequest):
        read_form(headers, b"&".join(b"a%d=1" % n for n in range(21)))


def test_a_parameter_that_is_there_twice_is_not_there():
    assert parameter("a=1&b=2", "a") == "1"
    for query in ("a=1&a=1", "", "b=1", "a=%ff", "&".join(["a=1"] * 30)):
        assert parameter(query, "a") is None


def test_the_longest_request_comes_through_sign_in_and_one_longer_leads_to_the_account():
    path = authorize_path("a" * 16_000)
    assert safe_next(path) == path
    assert safe_next(path + "a") == ACCOUNT
    assert safe_next(None) == ACCOUNT


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=50))
def test_whatever_the_query_was_its_path_is_one_that_signing_in_may_lead_to(query):
    path = authorize_path(query)
    assert safe_next(path) == path
    if query.isascii() and query.isprintable() and not set(query) & set(" \\"):
        assert path == f"/authorize?{query}"


def test_links_hold_their_token_and_give_it_to_their_own_page_alone():
    assert token_in(setup_path("a&b=c"), SETUP) == "a&b=c"
    assert token_in(join_path("x"), JOIN) == "x"
    assert token_in(join_path("x"), SETUP) is None
    assert token_in("/oauth/setup", SETUP) is None


class Ring:
    """See ports.Keyring."""

    def __init__(self) -> None:
        self.ring = new_ring(lambda count: b"k" * count)

    async def seal(self, plain: bytes, *, context: str) -> bytes:
        return self.ring.seal(plain, context=context, nonce=b"n" * NONCE_BYTES)

    async def open(self, sealed: bytes, *, context: str) -> bytes | None:
        return self.ring.open(sealed, context=context)


async def test_a_stamp_is_good_for_ten_minutes_and_for_its_own_page():
    now = [1_000]
    stamps = Stamps(Ring(), lambda: now[0])
    stamp = await stamps.press({"a": 1}, context="x")
    now[0] += GOOD_FOR_S - 1
    assert await stamps.read(stamp, context="x") == {"a": 1}
    other = f"{stamp[:-6]}{'A' * 6}"
    for wrong in (None, "", "x", "ü", other, stamp + "=", "A" * (MAX_STAMP + 4)):
        with pytest.raises(BadRequest) as refused:
            await stamps.read(wrong, context="x")
        assert refused.value.reason == "other_browser"
    with pytest.raises(BadRequest):
        await stamps.read(stamp, context="y")
    now[0] += 1
    with pytest.raises(BadRequest) as late:
        await stamps.read(stamp, context="x")
    assert late.value.reason == "expired_page"


async def test_a_stamp_has_room_for_the_longest_request():
    stamps = Stamps(Ring(), lambda: 0)
    stamp = await stamps.press({"query": "a" * 16_384, "name": "ü" * 100}, context="x")
    assert len(stamp) < MAX_STAMP
    assert (await stamps.read(stamp, context="x"))["name"] == "ü" * 100
