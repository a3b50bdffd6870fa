"""What a message of the agent means, in the words that all backends share: kind and data.

The protocol has texts in pieces only; a piece without an id of its own belongs to the
part before, unless something else came between.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.acp import shapes
from agent_runtime.backends.acp.asked import Permission, permission_of
from agent_runtime.backends.acp.changed import ChangedFiles
from agent_runtime.backends.acp.events import PERMISSION, UPDATE, Event
from agent_runtime.backends.file_changed import file_changed
from agent_runtime.backends.jsonrpc import EMPTY
from agent_runtime.backends.recent import Recent
from agent_runtime.backends.shape import shape
from agent_runtime.model import BackendEvent, Kind

Meant = tuple[Kind, dict[str, Any]]

_NOTHING: Meant = (Kind.OTHER, {})
_ENDED = ("completed", "failed")


class Meanings:
    """Used by one prompt; remembers calls and asks.

    `nonce` tells its asks from those of any other prompt, since the agent's numbers begin
    anew in each process; left out, one is made.
    """

    def __init__(self, workspace: Path, *, nonce: str = "") -> None:
        self._workspace = workspace
        self._calls: Recent[str, dict[str, Any]] = Recent()
        self._started: Recent[str, None] = Recent()
        self._changed = ChangedFiles()
        self._parts = 0
        self._last = ""
        self._nonce = nonce or secrets.token_hex(8)
        self._by_update: dict[str, Callable[[shapes.Update], Meant]] = {
            "agent_message_chunk": lambda told: self._chunk(told, Kind.TEXT_DELTA),
            "agent_thought_chunk": lambda told: self._chunk(told, Kind.REASONING_DELTA),
            "tool_call": self._call,
            "tool_call_update": self._call,
            "plan": _plan,
        }

    def of(self, event: Event) -> BackendEvent:
        """To be called with every message of the prompt, in order."""
        kind, data = self._meant(event)
        encoded = msgspec.json.encode(data) if data else b""
        return BackendEvent(event.type, event.raw, kind, encoded)

    def changes(self, event: Event) -> list[BackendEvent]:
        """The files that an event says have changed, to be told before what the event means.

        The JSON of each is the part that says so.
        """
        told = shape(event.params, shapes.UpdateTold) if event.type == UPDATE else None
        changed = self._changed.by(told.update) if told is not None else {}
        return [file_changed(event.type, part, {"file": file}) for file, part in changed.items()]

    def asked(self, event: Event) -> Permission | None:
        """What a request for permission asks."""
        return permission_of(event, f"{self._nonce}-{event.number}", self._workspace)

    def _meant(self, event: Event) -> Meant:
        if event.type == PERMISSION:
            asked = self.asked(event)
            return _NOTHING if asked is None else (Kind.PERMISSION_ASKED, asked.ask.data)
        told = shape(event.params, shapes.UpdateTold) if event.type == UPDATE else None
        look = self._by_update.get(told.update.session_update) if told is not None else None
        return _NOTHING if told is None or look is None else look(told.update)

    def _chunk(self, told: shapes.Update, kind: Kind) -> Meant:
        content = shape(told.content, shapes.Text)
        if content is None or content.type != "text":
            return _NOTHING
        if told.message_id is None and self._last != kind:
            self._parts += 1
        self._last = kind
        return kind, {"text": content.text, "part_id": told.message_id or f"part-{self._parts}"}

    def _call(self, told: shapes.Update) -> Meant:
        """Begun once, when it is no longer pending: only then is its input complete."""
        self._last = ""
        call = {**(self._calls.get(told.tool_call_id) or {}), **_told_of(told)}
        self._calls.put(told.tool_call_id, call)
        data = {"tool": "other", "call_id": told.tool_call_id, "input": EMPTY, **call}
        if told.status in _ENDED:
            return Kind.TOOL_FINISHED, {**data, **_outcome(told)}
        if told.status == "pending" or told.tool_call_id in self._started:
            return _NOTHING
        self._started.put(told.tool_call_id, None)
        return Kind.TOOL_STARTED, {**data, "status": "running"}


def _told_of(told: shapes.Update) -> dict[str, Any]:
    """What an update says of its call; the rest stays as it was."""
    fields = {"tool": told.kind, "input": told.raw_input}
    return {name: value for name, value in fields.items() if value not in (None, msgspec.UNSET)}


def _outcome(told: shapes.Update) -> dict[str, Any]:
    blocks = _blocks(told.content)
    texts = [block.content.text for block in blocks if block.content is not None]
    output: Any = "\n".join(texts)
    if not texts and told.raw_output is not msgspec.UNSET:
        output = told.raw_output
    if told.status == "failed":
        return {"error": output, "status": "error"}
    return {"output": output, "status": "completed"}


def _blocks(content: msgspec.Raw) -> list[shapes.Block]:
    try:
        return msgspec.json.decode(content, type=list[shapes.Block])
    except ValueError:
        return []


def _plan(told: shapes.Update) -> Meant:
    todos = [{"content": entry.content, "status": entry.status} for entry in told.entries]
    return Kind.TODO_UPDATED, {"todos": todos}
