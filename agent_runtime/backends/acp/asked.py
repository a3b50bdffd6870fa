"""What the agent asks, and how it is told the answer."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from acp import schema
from pydantic import ValidationError

from agent_runtime.backends.acp.events import Event
from agent_runtime.backends.asks import Decision, PermissionAsk

_KINDS: dict[Decision, tuple[str, ...]] = {
    Decision.ONCE: ("allow_once", "allow_always"),
    Decision.ALWAYS: ("allow_always", "allow_once"),
    Decision.REJECT: ("reject_once", "reject_always"),
}
"""The kinds of options that carry out a decision, the best first."""
_NOT_MERELY_FILES = frozenset({".git", ".opencode", ".codex", ".claude", ".gemini", ".qwen"})
"""What is written there may be run, by git or by an agent."""

CANCELLED = schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))


@dataclass(frozen=True, slots=True)
class Permission:
    ask: PermissionAsk
    options: tuple[schema.PermissionOption, ...]

    def response(self, decision: Decision) -> schema.RequestPermissionResponse:
        """Refused as a whole where the agent offers no way to say it."""
        by_kind = {option.kind: option.option_id for option in self.options}
        for kind in _KINDS[decision]:
            if kind in by_kind:
                chosen = schema.AllowedOutcome(outcome="selected", option_id=by_kind[kind])
                return schema.RequestPermissionResponse(outcome=chosen)
        return CANCELLED


def permission_of(event: Event, prompt_id: str, workspace: Path) -> Permission | None:
    """None where it has another shape."""
    try:
        told = schema.RequestPermissionRequest.model_validate_json(bytes(event.params))
    except ValidationError:
        return None
    call = told.tool_call
    fields = {"title": call.title, "input": call.raw_input}
    given = {name: value for name, value in fields.items() if value is not None}
    ask = PermissionAsk(
        prompt_id=prompt_id,
        tool=call.kind or "other",
        input_json=msgspec.json.encode(given),
        edits=call.kind == "edit" and _merely_files(_paths(call), workspace),
        options=tuple(_offered(told.options)),
    )
    return Permission(ask, tuple(told.options))


def _offered(options: list[schema.PermissionOption]) -> list[Decision]:
    kinds = {option.kind for option in options}
    return [decision for decision, names in _KINDS.items() if names[0] in kinds]


def _paths(call: schema.ToolCallUpdate) -> list[str]:
    diffs = [
        block.path
        for block in call.content or []
        if isinstance(block, schema.FileEditToolCallContent)
    ]
    return [*diffs, *(place.path for place in call.locations or [])]


def _merely_files(paths: list[str], workspace: Path) -> bool:
    """Whether every file is in the workspace, links followed, and merely a file."""
    root = Path(os.path.realpath(workspace))
    real = [Path(os.path.realpath(workspace / path)) for path in paths]
    return bool(real) and all(
        path.is_relative_to(root) and _NOT_MERELY_FILES.isdisjoint(path.relative_to(root).parts)
        for path in real
    )
