"""What an event means, in the words that all backends share: its kind and data.

An event of a subagent means the same, and its data has `subagent`: that session's id.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from agent_runtime.backends.opencode import shapes
from agent_runtime.backends.opencode.asked import permission_of, question_of
from agent_runtime.backends.opencode.events import Event, shape
from agent_runtime.backends.recent import Recent
from agent_runtime.model import BackendEvent, Kind, Usage

Meant = tuple[Kind, dict[str, Any]]

_NOTHING: Meant = (Kind.OTHER, {})
_DELTAS = {"text": Kind.TEXT_DELTA, "reasoning": Kind.REASONING_DELTA}
_COMPLETE = {"text": Kind.TEXT, "reasoning": Kind.REASONING}
_FINISHED = ("completed", "error")


class Meanings:
    """Used by one prompt; remembers which parts and calls it has seen."""

    def __init__(self) -> None:
        self._part_types: Recent[str, str] = Recent()
        self._user_messages: Recent[str, None] = Recent()
        self._started_calls: Recent[str, None] = Recent()
        self._by_type: dict[str, Callable[[Event], Meant]] = {
            "message.updated": self._message,
            "message.part.updated": self._part,
            "message.part.delta": self._delta,
            "session.status": _status,
            "permission.asked": _permission_asked,
            "permission.replied": _permission_answered,
            "question.asked": _question_asked,
            "question.replied": _question_answered,
            "question.rejected": _question_answered,
            "file.edited": _file_edited,
            "todo.updated": _todo_updated,
        }

    def of(self, event: Event, *, subagent: bool) -> BackendEvent:
        """To be called with every event of the prompt, in order."""
        look = self._by_type.get(event.type)
        kind, data = _NOTHING if look is None else look(event)
        if subagent:
            data = {**data, "subagent": event.session_id}
        encoded = msgspec.json.encode(data) if data else b""
        return BackendEvent(event.type, event.raw, kind, encoded)

    def _message(self, event: Event) -> Meant:
        told = shape(event, shapes.MessageUpdated)
        if told is not None and told.info.role == "user":
            self._user_messages.put(told.info.id, None)
        return _NOTHING

    def _part(self, event: Event) -> Meant:
        told = shape(event, shapes.PartUpdated)
        if told is None or told.part.message_id in self._user_messages:
            return _NOTHING
        part = told.part
        self._part_types.put(part.id, part.type)
        if part.type in _COMPLETE and part.time is not None and part.time.end is not None:
            return _COMPLETE[part.type], {"text": part.text, "part_id": part.id}
        if part.type == "tool" and part.state is not None:
            return self._tool(part, part.state)
        if part.type == "step-finish" and part.tokens is not None:
            return Kind.USAGE, _usage_data(usage_of(part))
        return _NOTHING

    def _tool(self, part: shapes.Part, state: shapes.ToolState) -> Meant:
        """Started once, when its input is complete: a pending call has none yet."""
        data = _call(part, state)
        if state.status in _FINISHED:
            return Kind.TOOL_FINISHED, data
        if state.status != "running" or part.call_id in self._started_calls:
            return _NOTHING
        self._started_calls.put(part.call_id, None)
        return Kind.TOOL_STARTED, data

    def _delta(self, event: Event) -> Meant:
        told = shape(event, shapes.PartDelta)
        if told is None or told.field != "text":
            return _NOTHING
        kind = _DELTAS.get(self._part_types.get(told.part_id) or "")
        if kind is None:
            return _NOTHING
        return kind, {"text": told.delta, "part_id": told.part_id}


def kept(part: shapes.Part) -> Meant:
    """Of a part in the CLI's own history, which is as whole as it will ever be."""
    if part.type in _COMPLETE:
        return _COMPLETE[part.type], {"text": part.text, "part_id": part.id}
    if part.type != "tool" or part.state is None:
        return _NOTHING
    finished = part.state.status in _FINISHED
    return Kind.TOOL_FINISHED if finished else Kind.TOOL_STARTED, _call(part, part.state)


def _call(part: shapes.Part, state: shapes.ToolState) -> dict[str, Any]:
    call = {
        "tool": part.tool,
        "call_id": part.call_id,
        "input": state.input,
        "status": state.status,
    }
    told = {"output": state.output, "error": state.error} if state.status in _FINISHED else {}
    return call | {name: value for name, value in told.items() if value is not msgspec.UNSET}


def usage_of(part: shapes.Part) -> Usage:
    """What one model call used; tokens that came from the cache were read too."""
    tokens = part.tokens or shapes.Tokens()
    return Usage(
        input_tokens=tokens.input + tokens.cache.read + tokens.cache.write,
        output_tokens=tokens.output + tokens.reasoning,
        cost_usd=part.cost,
    )


def _usage_data(usage: Usage) -> dict[str, Any]:
    data: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }
    return data if usage.cost_usd is None else {**data, "cost_usd": usage.cost_usd}


def _status(event: Event) -> Meant:
    told = shape(event, shapes.SessionStatus)
    if told is None:
        return _NOTHING
    status = told.status
    fields = {"status": status.type, "message": status.message, "attempt": status.attempt}
    return Kind.STATUS, {
        name: value for name, value in fields.items() if value is not msgspec.UNSET
    }


def _permission_asked(event: Event) -> Meant:
    asked = permission_of(event)
    return _NOTHING if asked is None else (Kind.PERMISSION_ASKED, asked.data)


def _permission_answered(event: Event) -> Meant:
    told = shape(event, shapes.Replied)
    if told is None:
        return _NOTHING
    return Kind.PERMISSION_ANSWERED, {"prompt_id": told.request_id, "decision": told.reply}


def _question_asked(event: Event) -> Meant:
    asked = question_of(event)
    return _NOTHING if asked is None else (Kind.QUESTION_ASKED, asked.data)


def _question_answered(event: Event) -> Meant:
    told = shape(event, shapes.Replied)
    if told is None:
        return _NOTHING
    answers = shapes.NULL if told.answers is msgspec.UNSET else told.answers
    return Kind.QUESTION_ANSWERED, {"prompt_id": told.request_id, "answers": answers}


def _file_edited(event: Event) -> Meant:
    told = shape(event, shapes.FileEdited)
    return _NOTHING if told is None else (Kind.FILE_CHANGED, {"file": told.file})


def _todo_updated(event: Event) -> Meant:
    told = shape(event, shapes.TodoUpdated)
    return _NOTHING if told is None else (Kind.TODO_UPDATED, {"todos": told.todos})
