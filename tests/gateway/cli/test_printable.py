"""Text from outside is harmless for a terminal."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.printable import json_line, one_line, printable

ANYTHING = st.text(st.characters(), max_size=60)
WITH_CONTROLS = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x07\r\n\t\x9b\u202e\u2066\x7f\x00")),
    max_size=60,
)


@given(WITH_CONTROLS | ANYTHING)
def test_no_control_survives(text: str) -> None:
    """Only tabs and newlines are left of what a terminal obeys, and it can be encoded."""
    shown = printable(text)
    assert all(unicodedata.category(c) not in ("Cc", "Cs") or c in "\n\t" for c in shown)
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(shown)
    shown.encode()


@given(st.text(st.characters(codec="utf-8"), max_size=60).filter(str.isprintable))
def test_ordinary_text_is_left_alone(text: str) -> None:
    """What is written is shown as it is written, in every script."""
    assert printable(text) == text


@given(WITH_CONTROLS, st.integers(1, 20))
def test_one_line_is_one_short_line(text: str, limit: int) -> None:
    """A line that is promised to be one is, and no longer than allowed."""
    line = one_line(text, limit=limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
        ),
        max_leaves=8,
    ),
    st.booleans(),
)
def test_json_keeps_its_meaning_on_one_line(value: object, indented: bool) -> None:
    """--json output is the payload: one line, no controls, the same value."""
    body = json.dumps(value, ensure_ascii=False, indent=1 if indented else None).encode()
    line = json_line(body)
    assert json.loads(line) == value
    assert all(unicodedata.category(c) != "Cc" for c in line)
