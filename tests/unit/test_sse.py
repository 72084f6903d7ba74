"""Server-sent events, however they are cut and whatever line ends they use."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_core.errors import UpstreamTooLarge
from gateway_core.protocol import sse
from gateway_core.protocol.sse import Event, Parser

line = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)
datas = st.lists(line, min_size=1, max_size=3).map("\n".join)
event_list = st.lists(
    st.builds(
        Event, data=datas, id=st.none() | line, name=st.none() | line, retry_ms=st.none() | st.integers(0, 10**6)
    ),
    max_size=5,
)


@given(event_list, st.lists(st.integers(1, 7), min_size=1), st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_are_the_same_however_they_are_cut(wanted, cuts, line_end):
    wire = b"".join(map(sse.write, wanted)).decode().replace("\n", line_end).encode()
    # A carriage return at the very end may be half of a line end, so the last event waits for what follows.
    wire += b": end" + line_end.encode() * 2 + b":"
    parser, read, at, turn = Parser(), [], 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        read += parser.feed(wire[at : at + size])
        at, turn = at + size, turn + 1
    assert read == wanted


def test_comments_and_a_byte_order_mark_are_passed_over_and_fields_read_as_the_standard_says():
    wire = b"\xef\xbb\xbf: hello\n\ndata:no space\ndata\nid: 7\nretry: soon\nretry: 250\nother: x\n\n"
    assert Parser().feed(wire) == [Event("no space\n", "7", None, 250)]


def test_an_event_without_end_is_cut_at_its_bound():
    for chunk in (b"data: " + b"x" * 65536, b"data: " + b"x" * 65530 + b"\n"):
        parser = Parser()
        with pytest.raises(UpstreamTooLarge, match="larger than 8 MiB"):
            [parser.feed(chunk) for _ in range(200)]


def test_the_time_it_takes_grows_with_what_it_is_fed_and_not_with_its_square():
    def seconds(size: int) -> float:
        parser, begun = Parser(), time.process_time()
        for _ in range(size // 64):
            parser.feed(b"x" * 64)
        return time.process_time() - begun

    seconds(100_000)
    assert seconds(4_000_000) < 16 * max(seconds(1_000_000), 0.005)
