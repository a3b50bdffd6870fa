"""Server-sent events out of chunks."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.backends.opencode.sse import Oversized, SseDecoder

STREAM = (
    b": a comment\n\n"
    b"data: one\n\n"
    b"event: named\nid: 7\ndata:two\nretry: 1\n\n"
    b"\n\n"
    b'data: {"a": "\xc3\xa4: \\n "}\r\n\r\n'
    b"data: several\ndata: lines\n\n"
    b"data: unfinished"
)
EVENTS = [b"one", b"two", b'{"a": "\xc3\xa4: \\n "}', b"several\nlines"]


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=20))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    """However the network cuts the stream, the same events come out, byte for byte."""
    places = [0, *sorted(cuts), len(STREAM)]
    decoder = SseDecoder()
    chunks = [STREAM[start:end] for start, end in itertools.pairwise(places)]
    assert [event for chunk in chunks for event in decoder.feed(chunk)] == EVENTS


@pytest.mark.parametrize("chunk", [b"x" * 11, b"data: 12345\ndata: 67890\ndata: 1\n"])
def test_an_event_has_a_bound(chunk: bytes) -> None:
    """A stream without an end of event cannot fill the memory."""
    with pytest.raises(Oversized):
        list(SseDecoder(limit_bytes=10).feed(chunk))
