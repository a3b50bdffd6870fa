"""A turn as two messages: what the user said, and what the agent did about it. No I/O."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from agent_runtime.journal.history import Spoken
from agent_runtime.model import Kind
from proto.agent.v1.agent_pb2 import AgentResponse, Outcome, SendMessageRequest

MAX_PART_BYTES = 64 * 1024
"""Of a tool's input and of its output; larger ones are in the events only."""

MAX_TEXT = 2 * 1024 * 1024
"""Characters of all texts of a turn, and of all thoughts."""
MAX_TOOLS_BYTES = 4 * 1024 * 1024
"""Of what went into all tools of a turn, and came out of them."""

_OUTCOME = "OUTCOME_"


class Source(StrEnum):
    """Where the words of a message come from."""

    CLI = "cli"
    JOURNAL = "journal"


def told(spoken: Spoken, sent: SendMessageRequest, answer: "Answer", source: Source) -> list[bytes]:
    """Both messages as JSON objects; the agent's own is partial while the turn runs."""
    common = {
        "request_id": spoken.request_id,
        "session_id": answer.session_id or spoken.session_id,
        "source": source,
    }
    user: dict[str, Any] = {
        "role": "user",
        **common,
        "timestamp": _moment(spoken.created_ms),
        "text": sent.content,
    }
    if sent.attachments:
        user["attachments"] = [
            {"filename": one.filename, "mime_type": one.mime_type} for one in sent.attachments
        ]
    assistant = {"role": "assistant", **common, **answer.fields(spoken.created_ms)}
    if source is Source.JOURNAL:
        user |= {} if spoken.kept else {"truncated": True}
        assistant |= {} if spoken.whole else {"truncated": True}
    return [msgspec.json.encode(user), msgspec.json.encode(assistant)]


class Answer:
    """What the agent said and did in one turn; fed with its events in order.

    Whole parts stand for their deltas; a backend that tells deltas only is told by those.
    What subagents do is left out.
    """

    def __init__(self) -> None:
        self.session_id = ""
        self._at_ms = 0
        self._texts: dict[str, dict[str, str]] = {"text": {}, "reasoning": {}}
        self._room = dict.fromkeys(self._texts, MAX_TEXT)
        self._tools: dict[str, dict[str, Any]] = {}
        self._tool_bytes: dict[str, int] = {}
        self._tools_room = MAX_TOOLS_BYTES
        self._end: dict[str, Any] = {}

    def add(self, response: AgentResponse) -> None:
        self.session_id = response.session_id or self.session_id
        self._at_ms = response.timestamp or self._at_ms
        if response.is_final:
            self._finish(response)
        elif response.HasField("event") and response.event.data_json:
            self.hear(response.event.kind, response.event.data_json)

    def hear(self, kind: str, data_json: bytes) -> None:
        """An event, by what it means."""
        match kind:
            case Kind.TEXT | Kind.REASONING | Kind.TEXT_DELTA | Kind.REASONING_DELTA:
                self._text(kind, msgspec.json.decode(data_json, type=_Text))
            case Kind.TOOL_STARTED | Kind.TOOL_FINISHED:
                self._tool(msgspec.json.decode(data_json, type=_Tool))

    def fields(self, begun_ms: int) -> dict[str, Any]:
        """`begun_ms`: its time where nothing is known of it."""
        fields: dict[str, Any] = {
            "timestamp": _moment(self._at_ms or begun_ms),
            "text": "".join(self._texts["text"].values()),
        }
        if thoughts := "".join(self._texts["reasoning"].values()):
            fields["reasoning"] = thoughts
        if self._tools:
            fields["tools"] = list(self._tools.values())
        return fields | self._end

    def _text(self, kind: str, said: "_Text") -> None:
        if said.subagent:
            return
        name, _, delta = kind.partition(".")
        parts = self._texts[name]
        before = parts.get(said.part_id, "")
        room = self._room[name] if delta else self._room[name] + len(before)
        text = said.text[:room]
        parts[said.part_id] = before + text if delta else text
        self._room[name] = room - len(text)
        if said.truncated or len(text) < len(said.text):
            self._end["truncated"] = True

    def _tool(self, call: "_Tool") -> None:
        if call.subagent:
            return
        shown: dict[str, Any] = {"tool": call.tool, "call_id": call.call_id, "status": call.status}
        room = self._tools_room + self._tool_bytes.pop(call.call_id, 0)
        before = room
        for name in ("input", "output", "error"):
            value: msgspec.Raw | msgspec.UnsetType = getattr(call, name)
            if value is msgspec.UNSET:
                continue
            if len(value) <= min(MAX_PART_BYTES, room):
                shown[name] = value
                room -= len(value)
            else:
                shown["truncated"] = True
        if call.truncated:
            shown["truncated"] = True
        self._tools[call.call_id] = shown
        self._tool_bytes[call.call_id], self._tools_room = before - room, room

    def _finish(self, response: AgentResponse) -> None:
        self._end["outcome"] = Outcome.Name(response.outcome).removeprefix(_OUTCOME).lower()
        if response.HasField("usage"):
            used = response.usage
            usage: dict[str, Any] = {
                "input_tokens": used.input_tokens,
                "output_tokens": used.output_tokens,
            }
            if used.HasField("cost_usd"):
                usage["cost_usd"] = used.cost_usd
            self._end["usage"] = usage
        if response.HasField("error"):
            failed = response.error
            self._end["error"] = {"code": failed.code, "message": failed.message}


class _Text(msgspec.Struct):
    text: str = ""
    part_id: str = ""
    subagent: str = ""
    truncated: bool = False


class _Tool(msgspec.Struct):
    tool: str = ""
    call_id: str = ""
    status: str = ""
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    subagent: str = ""
    truncated: bool = False


def _moment(unix_ms: int) -> str:
    """As payloads tell it: RFC 3339, in UTC."""
    at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
