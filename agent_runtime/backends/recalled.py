"""What a CLI's own history has of a prompt. Frozen; no I/O."""

from dataclasses import dataclass
from typing import Any

import msgspec

from agent_runtime.model import Kind

MAX_BYTES = 32 * 1024 * 1024
"""Of what one call of `Backend.recall` reads of the CLI's answers; beyond, no more is told."""


@dataclass(frozen=True, slots=True)
class Bookmarks:
    """Prompts of one session, each by the place that was recorded when it ran (`TurnSink`).

    `places` are as they came; `before`: the place of the first prompt after them, "" for none.
    """

    session_id: str
    places: tuple[str, ...]
    before: str = ""


@dataclass(frozen=True, slots=True)
class Recalled:
    """The user's words, and what came of them as kind and data of events (`BackendEvent`):
    whole texts, whole thoughts and finished tools, in their order."""

    text: str
    events: tuple[tuple[Kind, bytes], ...]


class Recollection:
    """Puts a Recalled together. Used by one reader."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self._events: list[tuple[Kind, bytes]] = []

    def add(self, kind: Kind, data: dict[str, Any] | bytes) -> None:
        """What is neither text, thought nor a tool's end is left out."""
        if kind in (Kind.TEXT, Kind.REASONING, Kind.TOOL_STARTED, Kind.TOOL_FINISHED):
            told = data if isinstance(data, bytes) else msgspec.json.encode(data)
            self._events.append((kind, told))

    def recalled(self) -> Recalled:
        return Recalled(self.text, tuple(self._events))
