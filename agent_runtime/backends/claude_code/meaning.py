"""What an event means, in the words that all backends share: its kind and data.

An event of a subagent means the same, and its data has `subagent`: the call that started it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends import shape as shaping
from agent_runtime.backends.asks import PermissionAsk, QuestionAsk
from agent_runtime.backends.claude_code import shapes
from agent_runtime.backends.claude_code.asked import ask_of
from agent_runtime.backends.claude_code.events import Event, shape
from agent_runtime.backends.file_changed import file_changed
from agent_runtime.backends.recent import Recent
from agent_runtime.model import BackendEvent, Kind, Usage

Meant = tuple[Kind, dict[str, Any]]

_NOTHING: Meant = (Kind.OTHER, {})


class Meanings:
    """Used by one prompt; remembers what it has seen of parts, calls and asks."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._blocks: Recent[str, int] = Recent()
        """How many blocks of a message have been complete."""
        self._calls: Recent[str, shapes.Block] = Recent()
        self._answers: Recent[str, Meant] = Recent()
        self._by_type: dict[str, Callable[[Event], Meant]] = {
            "stream_event": _streamed,
            "assistant": self._assistant,
            "user": self._user,
            "control_request": self._control_request,
            "control_response": self._control_response,
            "system": _system,
            "result": _result,
        }

    def of(self, event: Event) -> BackendEvent:
        """To be called with every event of the prompt, in order."""
        look = self._by_type.get(event.type)
        kind, data = _NOTHING if look is None else look(event)
        data = {**data, **_origin(event)}
        encoded = msgspec.json.encode(data) if data else b""
        return BackendEvent(event.type, event.raw, kind, encoded)

    def changes(self, event: Event) -> list[BackendEvent]:
        """The file that an event says has changed, to be told before what the event means.

        The JSON is the part that tells so.
        """
        done = shape(event, shapes.Done) if event.type == "user" else None
        patched = shaping.shape(done.tool_use_result, shapes.Patched) if done is not None else None
        if done is None or patched is None:
            return []
        data = {"file": patched.file_path, **_origin(event)}
        return [file_changed(event.type, done.tool_use_result, data)]

    def answered(self, prompt_id: str, kind: Kind, data: dict[str, Any]) -> None:
        """What the CLI is going to repeat as a control_response."""
        self._answers.put(prompt_id, (kind, data))

    def _assistant(self, event: Event) -> Meant:
        """One block an event, complete; a tool's call begins with it."""
        told = shape(event, shapes.Said)
        if told is None or not told.message.blocks:
            return _NOTHING
        block = told.message.blocks[0]
        part_id = self._part_id(told.message)
        if told.is_api_error_message:
            return Kind.STATUS, {"status": "error", "message": block.text}
        match block.type:
            case "text":
                return Kind.TEXT, {"text": block.text, "part_id": part_id}
            case "thinking":
                return Kind.REASONING, {"text": block.thinking, "part_id": part_id}
            case "tool_use":
                self._calls.put(block.id, block)
                return Kind.TOOL_STARTED, {**_call(block.id, block), "status": "running"}
        return _NOTHING

    def _part_id(self, message: shapes.Message) -> str:
        """The same as that of the deltas, which have the index of their block."""
        index = self._blocks.get(message.id) or 0
        self._blocks.put(message.id, index + len(message.blocks))
        return _part_id(message.id, index)

    def _user(self, event: Event) -> Meant:
        told = shape(event, shapes.Said)
        results = [
            block
            for block in (told.message.blocks if told is not None else [])
            if block.type == "tool_result"
        ]
        if not results:
            return _NOTHING
        result = results[0]
        data = _call(result.tool_use_id, self._calls.get(result.tool_use_id))
        output = "" if result.content is msgspec.UNSET else _text(result.content)
        if result.is_error:
            return Kind.TOOL_FINISHED, {**data, "error": output, "status": "error"}
        return Kind.TOOL_FINISHED, {**data, "output": output, "status": "completed"}

    def _control_request(self, event: Event) -> Meant:
        told = shape(event, shapes.ControlRequest)
        if told is None or told.request.subtype != "can_use_tool":
            return _NOTHING
        ask = ask_of(told, self._workspace)
        match ask:
            case PermissionAsk():
                return Kind.PERMISSION_ASKED, ask.data
            case QuestionAsk():
                return Kind.QUESTION_ASKED, ask.data

    def _control_response(self, event: Event) -> Meant:
        told = shape(event, shapes.ControlResponse)
        known = self._answers.get(told.response.request_id) if told is not None else None
        return known or _NOTHING


def _origin(event: Event) -> dict[str, Any]:
    return {"subagent": event.subagent} if event.subagent else {}


def usage_of(result: shapes.Result) -> Usage | None:
    """Of all models since the result before, subagents' calls included."""
    models: Sequence[shapes.ModelUsage] = list(result.usage_by_model.values())
    if not models:
        return None
    return Usage(
        input_tokens=sum(
            model.input_tokens + model.cache_read_input_tokens + model.cache_creation_input_tokens
            for model in models
        ),
        output_tokens=sum(model.output_tokens for model in models),
        cost_usd=sum(model.cost_usd for model in models),
    )


def _streamed(event: Event) -> Meant:
    told = shape(event, shapes.Streamed)
    if told is None or told.event.delta is None:
        return _NOTHING
    delta = told.event.delta
    part_id = _part_id(told.api_message_id, told.event.index)
    match delta.type:
        case "text_delta":
            return Kind.TEXT_DELTA, {"text": delta.text, "part_id": part_id}
        case "thinking_delta":
            return Kind.REASONING_DELTA, {"text": delta.thinking, "part_id": part_id}
    return _NOTHING


def _system(event: Event) -> Meant:
    told = shape(event, shapes.Status)
    if told is None:
        return _NOTHING
    if event.subtype == "api_retry":
        fields = {"status": "retry", "message": told.error, "attempt": told.attempt}
        return Kind.STATUS, {
            name: value for name, value in fields.items() if value is not msgspec.UNSET
        }
    if event.subtype == "status" and told.status is not None:
        return Kind.STATUS, {"status": told.status}
    return _NOTHING


def _result(event: Event) -> Meant:
    told = shape(event, shapes.Result)
    usage = usage_of(told) if told is not None else None
    if usage is None:
        return _NOTHING
    return Kind.USAGE, {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
    }


def _part_id(message_id: str, index: int) -> str:
    return f"{message_id}/{index}"


def _call(call_id: str, block: shapes.Block | None) -> dict[str, Any]:
    known = block or shapes.Block(type="tool_use")
    return {"tool": known.name, "call_id": call_id, "input": known.input}


def _text(content: str | list[Any]) -> str:
    """What a tool gave back, as far as it is text."""
    if isinstance(content, str):
        return content
    texts = [block.get("text") for block in content if isinstance(block, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))
