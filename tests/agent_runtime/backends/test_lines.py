"""Cutting a stream into lines, and the events that lines make."""

from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.backends.lines import Line, LineSplitter, merged_text, stderr_event, stdout_event
from agent_runtime.model import Kind

LIMIT = 16


def split(chunks: Iterable[bytes], limit: int = LIMIT) -> list[Line]:
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*lines, *splitter.finish()]


def whole(content: bytes, *, ended: bool = True) -> Line:
    return Line(content, ended, whole=True)


chunks = st.lists(st.one_of(st.binary(max_size=60), st.text(alphabet="aä€😀\n").map(str.encode)))


@given(chunks)
def test_nothing_is_lost_or_added(given: list[bytes]) -> None:
    """The lines put together are the stream, however it was cut into chunks."""
    lines = split(given)
    assert b"".join(line.content + b"\n" * line.ended for line in lines) == b"".join(given)


@given(chunks)
def test_no_line_is_longer_than_the_limit(given: list[bytes]) -> None:
    """Output without a newline takes bounded memory and makes bounded events."""
    assert all(len(line.content) <= LIMIT for line in split(given))


@given(st.lists(st.binary(max_size=40)), st.integers(min_value=1, max_value=7))
def test_chunks_do_not_matter(given: list[bytes], size: int) -> None:
    """The same bytes make the same lines, whatever the pipe made of them."""
    stream = b"".join(given)
    small = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert split([stream]) == split(small)


@given(st.text(alphabet="aä€😀", min_size=1))
def test_characters_are_not_cut(text: str) -> None:
    """A cut falls between characters: no replacement character appears out of nothing."""
    assert "".join(line.text for line in split([text.encode()])) == text


@given(st.binary(max_size=200))
def test_whatever_comes_the_event_is_json(content: bytes) -> None:
    """No output of a command can make an event that is not one JSON object with its type."""
    for make in (stdout_event, stderr_event):
        for line in split([content], limit=64):
            event = make(line)
            assert msgspec.json.decode(event.event_json)["type"] == event.event_type
            assert not event.data_json or msgspec.json.decode(event.data_json)


def test_only_whole_lines_are_whole() -> None:
    """All pieces of a line that was cut say so, the last one too."""
    lines = split([b"a" * LIMIT + b"\n" + b"b" * (LIMIT + 1) + b"\nc"])
    assert [line.whole for line in lines] == [True, False, False, True]


def test_a_json_line_with_a_type_is_passed_untouched() -> None:
    """A command may speak for itself: its JSON is the event, byte for byte."""
    content = b' { "b": 1, "type" : "progress","a":[1.0] }\r'
    event = stdout_event(whole(content))
    assert (event.event_type, event.event_json) == ("progress", content.strip())
    assert (event.kind, event.data_json) == (Kind.OTHER, b"")


def test_a_json_text_line_is_text() -> None:
    """`{"type":"text","text":...}` means the same as the text itself."""
    event = stdout_event(whole(b'{"type":"text","text":"hi","n":1}'))
    assert event.event_json == b'{"type":"text","text":"hi","n":1}'
    assert event.kind is Kind.TEXT_DELTA
    assert msgspec.json.decode(event.data_json) == {"text": "hi", "part_id": "stdout"}


def test_what_is_no_event_is_text() -> None:
    """Other JSON, broken JSON, deep JSON and cut JSON are just text."""
    deep = b'{"type":"x","a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    for content in (
        b'{"type":5}',
        b'{"a":1}',
        b'{"type":"x"',
        b'["type"]',
        b'{"type":"\xff"}',
        deep,
    ):
        assert stdout_event(whole(content)).event_type == "text"
    assert stdout_event(Line(b'{"type":"x"}', ended=True, whole=False)).event_type == "text"


def test_text_keeps_its_newline() -> None:
    """Joined deltas give back what was printed."""
    event = stdout_event(whole(b"hello"))
    assert msgspec.json.decode(event.event_json) == {"type": "text", "text": "hello\n"}
    assert msgspec.json.decode(stdout_event(whole(b"x", ended=False)).event_json)["text"] == "x"


def test_stderr_is_status() -> None:
    """What a command complains about is status, not the agent's voice."""
    event = stderr_event(whole(b'{"type":"text","text":"x"}'))
    assert (event.event_type, event.kind) == ("stderr", Kind.STATUS)


def test_only_what_is_nothing_but_text_is_merged() -> None:
    """A line that says more keeps what it says."""
    plain = stdout_event(Line(b"plain", ended=True, whole=True))
    own = stdout_event(Line(b'{"type":"text","text":"own"}', ended=True, whole=True))
    more = stdout_event(Line(b'{"type":"text","text":"more","n":1}', ended=True, whole=True))
    both = merged_text(plain, own)
    assert both is not None
    assert both.event_json == b'{"type":"text","text":"plain\\nown"}'
    assert merged_text(plain, more) is None
    assert merged_text(more, plain) is None
