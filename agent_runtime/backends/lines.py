"""Lines of a byte stream, cut at a bound, and the events of the `command` backend they make."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from agent_runtime.model import BackendEvent, Kind

LINE_LIMIT_BYTES = 64 * 1024
PART_ID = "stdout"
"""All text of a turn is one part."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline, or a piece of one. `ended`: a newline followed."""

    content: bytes
    ended: bool
    whole: bool

    @property
    def text(self) -> str:
        """With its newline; what is not UTF-8 is replaced."""
        return self.content.decode("utf-8", "replace") + ("\n" if self.ended else "")


class LineSplitter:
    """Cuts chunks into lines of at most `limit` bytes; a longer one comes in pieces.

    A piece never ends within a UTF-8 character. The contents of all lines, with
    a newline after each ended one, are exactly the bytes that were fed.
    """

    def __init__(self, limit: int = LINE_LIMIT_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._pieces = False

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that this chunk completes."""
        *ended, rest = chunk.split(b"\n")
        for content in ended:
            self._rest += content
            yield from self._cut()
            yield self._take(len(self._rest), ended=True)
        self._rest += rest
        yield from self._cut()

    def finish(self) -> Iterator[Line]:
        """What is left when the stream ended without a newline."""
        if self._rest:
            yield self._take(len(self._rest), ended=False)

    def _cut(self) -> Iterator[Line]:
        while len(self._rest) > self._limit:
            yield self._take(_character_end(self._rest, self._limit), ended=False)

    def _take(self, size: int, *, ended: bool) -> Line:
        whole = not self._pieces and size == len(self._rest)
        content = bytes(self._rest[:size])
        del self._rest[:size]
        self._pieces = not ended
        return Line(content, ended, whole)


def stdout_event(line: Line) -> BackendEvent:
    """The line's own JSON event, or a text event."""
    if line.whole and (own := _own_event(line.content)) is not None:
        return own
    return _text_event(line.text)


def merged_text(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """One text event of two; None when one of them says more than its text."""
    texts = [_only_text(event) for event in (first, second)]
    if texts[0] is None or texts[1] is None:
        return None
    return _text_event(texts[0] + texts[1])


def stderr_event(line: Line) -> BackendEvent:
    said = msgspec.json.encode({"type": "stderr", "text": line.text})
    data = msgspec.json.encode({"status": "stderr", "message": line.text})
    return BackendEvent("stderr", said, Kind.STATUS, data)


def _own_event(content: bytes) -> BackendEvent | None:
    stripped = content.strip()
    if not stripped.startswith(b"{"):
        return None
    try:
        codecs.decode(stripped, "utf-8")
        value: Any = msgspec.json.decode(stripped)
    except (ValueError, RecursionError):
        return None
    kind_name = value.get("type")
    if not isinstance(kind_name, str):
        return None
    if kind_name == "text" and isinstance(text := value.get("text"), str):
        return BackendEvent(kind_name, stripped, Kind.TEXT_DELTA, _text_data(text))
    return BackendEvent(kind_name, stripped)


def _only_text(event: BackendEvent) -> str | None:
    try:
        return msgspec.json.decode(event.event_json, type=_Text).text
    except msgspec.ValidationError:
        return None


class _Text(msgspec.Struct, forbid_unknown_fields=True, tag="text"):
    text: str


def _text_event(text: str) -> BackendEvent:
    said = msgspec.json.encode({"type": "text", "text": text})
    return BackendEvent("text", said, Kind.TEXT_DELTA, _text_data(text))


def _text_data(text: str) -> bytes:
    return msgspec.json.encode({"text": text, "part_id": PART_ID})


def _character_end(content: bytearray, limit: int) -> int:
    """The last place at or before `limit` that is not within a UTF-8 character."""
    for end in range(limit, max(limit - 4, 0), -1):
        if content[end] & 0xC0 != 0x80:
            return end
    return limit
