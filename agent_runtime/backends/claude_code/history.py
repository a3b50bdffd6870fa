"""What the CLI's own history has of prompts: the file of a session, a line a message."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from agent_runtime.backends.claude_code import shapes
from agent_runtime.backends.claude_code.events import Event
from agent_runtime.backends.claude_code.meaning import Meanings
from agent_runtime.backends.recalled import MAX_BYTES, Recalled, Recollection
from agent_runtime.errors import NotRecalled

_MAX_READ_BYTES = 256 * 1024 * 1024
"""Of the file, which holds much else."""
_MAX_LINE_BYTES = 16 * 1024 * 1024

_OURS = (b'"type":"user"', b'"type":"assistant"')


def place_of(message_id: str, file: Path | None) -> str:
    """Where the message will stand that is said now: not before the file's end."""
    size = file.stat().st_size if file is not None else 0
    return f"{message_id}@{size}"


def recall(file: Path | None, places: Sequence[str]) -> Mapping[str, Recalled]:
    """As `Backend.recall`; blocks for as long as it takes to read the file.

    Raises:
        NotRecalled: there is no such file.
    """
    if file is None:
        raise NotRecalled("claude has no such session any more")
    reader = _Reader({place.partition("@")[0]: place for place in places})
    try:
        with file.open("rb") as opened:
            opened.seek(min(int(place.partition("@")[2]) for place in places))
            for line in _lines(opened):
                if reader.read(line):
                    break
    except OSError as error:
        raise NotRecalled(f"the history of claude cannot be read: {error.strerror}") from error
    return reader.found


class _Line(msgspec.Struct, rename="camel"):
    type: str
    message: shapes.Message
    uuid: str = ""
    is_meta: bool = False
    is_sidechain: bool = False
    is_compact_summary: bool = False
    is_api_error_message: bool = False
    prompt_source: str | None = None

    @property
    def asks(self) -> bool:
        """Whether it begins a prompt."""
        return self.type == "user" and self.prompt_source is not None

    @property
    def counts(self) -> bool:
        """Whether it is a part of the conversation."""
        return not (self.is_meta or self.is_sidechain or self.is_compact_summary)


class _Reader:
    """Takes the lines in order. What the CLI is still writing down is not told: a prompt
    is whole when the next one begins, or when the model, or somebody else, has ended it."""

    def __init__(self, wanted: Mapping[str, str]) -> None:
        self._wanted = dict(wanted)
        self._place = ""
        self._made = Recollection()
        self._meanings = Meanings(Path())
        self._room = MAX_BYTES
        self.found: dict[str, Recalled] = {}

    def read(self, raw: bytes) -> bool:
        """Whether nothing more is wanted."""
        line = _decoded(raw)
        if line is None or not line.counts:
            return False
        if line.asks:
            self._end()
            self._begin(line)
            return not self._place and not self._wanted
        if not self._place:
            return False
        self._room -= len(raw)
        if self._room >= 0:
            self._take(line, raw)
        return self._room < 0

    def _begin(self, line: _Line) -> None:
        self._place = self._wanted.pop(line.uuid, "")
        self._made = Recollection(_text(line.message))

    def _take(self, line: _Line, raw: bytes) -> None:
        if line.is_api_error_message:
            self._end()
            return
        meant = self._meanings.of(Event(line.type, "", "", "", raw))
        self._made.add(meant.kind, meant.data_json)
        if line.message.stop_reason not in (None, "tool_use") or _interruption(line):
            self.found[self._place] = self._made.recalled()

    def _end(self) -> None:
        if self._place:
            self.found[self._place] = self._made.recalled()
        self._place = ""


def _decoded(raw: bytes) -> _Line | None:
    if not any(ours in raw for ours in _OURS):
        return None
    try:
        line = msgspec.json.decode(raw, type=_Line)
    except (ValueError, RecursionError):
        return None
    return line if line.type in ("user", "assistant") else None


def _interruption(line: _Line) -> bool:
    """Neither a prompt nor what a tool gave back: the CLI notes that it was stopped."""
    return line.type == "user" and all(one.type != "tool_result" for one in line.message.blocks)


def _text(message: shapes.Message) -> str:
    """What the user said comes last; files are before it."""
    if isinstance(message.content, str):
        return message.content
    texts = [block.text for block in message.blocks if block.type == "text"]
    return texts[-1] if texts else ""


def _lines(opened: BinaryIO) -> Iterator[bytes]:
    """Whole ones that are not too long, as far as may be read."""
    end = opened.tell() + _MAX_READ_BYTES
    whole = True
    while opened.tell() < end and (line := opened.readline(_MAX_LINE_BYTES)):
        ended = line.endswith(b"\n")
        if whole and ended:
            yield line
        whole = ended
