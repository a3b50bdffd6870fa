"""What the parts of a turn mean: texts, thoughts and the calls of tools."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.codex import shapes
from agent_runtime.backends.shape import shape
from agent_runtime.model import Kind

Meant = tuple[Kind, dict[str, Any]]

NOTHING: Meant = (Kind.OTHER, {})


def started(item: shapes.Item) -> Meant:
    call = call_of(item)
    return NOTHING if call is None else (Kind.TOOL_STARTED, {**call, "status": "running"})


def completed(item: shapes.Item) -> Meant:
    if item.type == "agentMessage":
        return Kind.TEXT, {"text": item.text, "part_id": item.id}
    if item.type == "reasoning":
        return Kind.REASONING, {"text": _thought(item), "part_id": item.id}
    call = call_of(item)
    return NOTHING if call is None else (Kind.TOOL_FINISHED, {**call, **_outcome(item)})


def changed(item: shapes.Item, workspace: Path) -> Iterator[tuple[msgspec.Raw, str]]:
    """The files that it has changed, each with what says so."""
    if item.type != "fileChange" or item.status != "completed":
        return
    for change in item.changes:
        if (told := shape(change, shapes.Change)) is not None:
            yield change, str(workspace / told.path)


def call_of(item: shapes.Item) -> dict[str, Any] | None:
    """Tool, call_id and input, in the CLI's own words; None for what is no call."""
    match item.type:
        case "commandExecution":
            return _call(item, item.type, {"command": item.command, "cwd": item.cwd})
        case "fileChange":
            return _call(item, item.type, {"changes": item.changes})
        case "webSearch":
            return _call(item, item.type, {"query": item.query})
        case "mcpToolCall":
            return _call(item, f"{item.server}.{item.tool}", item.arguments)
    return None


def _call(item: shapes.Item, tool: str, told: Any) -> dict[str, Any]:
    return {"tool": tool, "call_id": item.id, "input": told}


def _outcome(item: shapes.Item) -> dict[str, Any]:
    output: Any = item.aggregated_output or ""
    if item.type == "mcpToolCall" and item.result is not msgspec.UNSET:
        output = item.result
    if item.status not in ("failed", "declined"):
        return {"output": output, "status": "completed"}
    told_error = item.error is not msgspec.UNSET and bytes(item.error) != b"null"
    return {"error": item.error if told_error else output or item.status, "status": "error"}


def _thought(item: shapes.Item) -> str:
    """The summary where there is one, else what the model thought."""
    if item.summary:
        return "\n\n".join(item.summary)
    try:
        return "\n\n".join(msgspec.json.decode(item.content, type=list[str]))
    except msgspec.ValidationError:
        return ""
