"""Pages of the data plane for people."""

from html import escape

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.web.pages import not_found


@given(st.text(st.sampled_from("<>&\"'a{}/ ;é"), max_size=40))
def test_the_words_of_a_page_are_text_whatever_they_hold(words):
    assert f"<p>{escape(words)}</p>\n" in (not_found(words).body or b"").decode()
