"""What a request of the CLI asks the user, and how the CLI is told the answer."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.asks import (
    Decision,
    Option,
    PermissionAsk,
    Question,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.codex import shapes
from agent_runtime.backends.codex.events import Event
from agent_runtime.backends.codex.items import call_of
from agent_runtime.backends.recent import Recent
from agent_runtime.backends.shape import shape

_NOT_MERELY_FILES = frozenset({".codex", ".git"})
"""What is written there may be run."""
_APPROVAL = {
    Decision.ONCE: "accept",
    Decision.ALWAYS: "acceptForSession",
    Decision.REJECT: "decline",
}


@dataclass(frozen=True, slots=True)
class Permission:
    """`result` makes the answer of a decision."""

    ask: PermissionAsk
    result: Callable[[Decision], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Questions:
    """`ids`: what the CLI calls each of the questions."""

    ask: QuestionAsk
    ids: tuple[str, ...]

    def result(self, answer: QuestionAnswer) -> dict[str, Any]:
        pairs = zip(self.ids, answer.answers, strict=True)
        return {"answers": {name: {"answers": texts} for name, texts in pairs}}


Asked = Permission | Questions


def prompt_id_of(turn_id: str, number: int | str | None) -> str:
    """The CLI counts its requests from 0 in every process; turns are never the same."""
    return f"{turn_id}-{number}"


def asked_by(event: Event, begun: Recent[str, shapes.Item], workspace: Path) -> Asked | None:
    """What a request asks; `begun` are the turn's items by id. None: nothing we know."""
    prompt_id = prompt_id_of(event.turn_id or event.thread_id, event.number)
    match event.type:
        case "item/commandExecution/requestApproval":
            return _command(event, prompt_id)
        case "item/fileChange/requestApproval":
            return _change(event, prompt_id, begun, workspace)
        case "item/tool/requestUserInput":
            return _questions(event, prompt_id)
        case "mcpServer/elicitation/request":
            return _elicitation(event, prompt_id)
    return None


def _command(event: Event, prompt_id: str) -> Permission | None:
    told = shape(event.params, shapes.CommandAsked)
    if told is None:
        return None
    fields = {"command": told.command, "cwd": told.cwd, "reason": told.reason}
    given = {name: value for name, value in fields.items() if value is not None}
    ask = PermissionAsk(
        prompt_id=prompt_id, tool="commandExecution", input_json=msgspec.json.encode(given)
    )
    return Permission(ask, _approval)


def _change(
    event: Event, prompt_id: str, begun: Recent[str, shapes.Item], workspace: Path
) -> Permission | None:
    told = shape(event.params, shapes.ChangeAsked)
    item = begun.get(told.item_id) if told is not None else None
    call = call_of(item) if item is not None else None
    if told is None:
        return None
    ask = PermissionAsk(
        prompt_id=prompt_id,
        tool="fileChange",
        input_json=msgspec.json.encode(call["input"] if call is not None else {}),
        edits=item is not None and told.grant_root is None and _merely_files(item, workspace),
    )
    return Permission(ask, _approval)


def _questions(event: Event, prompt_id: str) -> Questions | None:
    told = shape(event.params, shapes.QuestionsAsked)
    if told is None or not told.questions:
        return None
    questions = tuple(
        Question(
            question=question.question,
            header=question.header,
            options=tuple(Option(each.label, each.description) for each in question.options or ()),
        )
        for question in told.questions
    )
    ids = tuple(question.id for question in told.questions)
    return Questions(QuestionAsk(prompt_id=prompt_id, questions=questions), ids)


def _elicitation(event: Event, prompt_id: str) -> Permission | None:
    """Consent to a tool of an MCP server. A form that wants more than that is not answered."""
    told = shape(event.params, shapes.ElicitationAsked)
    if told is None or told.requested_schema is None or told.requested_schema.properties:
        return None
    ask = PermissionAsk(
        prompt_id=prompt_id,
        tool=told.server_name,
        input_json=msgspec.json.encode({"message": told.message}),
        options=(Decision.ONCE, Decision.REJECT),
    )
    return Permission(ask, _consent)


def _approval(decision: Decision) -> dict[str, Any]:
    return {"decision": _APPROVAL[decision]}


def _consent(decision: Decision) -> dict[str, Any]:
    if decision is Decision.REJECT:
        return {"action": "decline"}
    return {"action": "accept", "content": {}}


def _merely_files(item: shapes.Item, workspace: Path) -> bool:
    """Whether every file is in the workspace, links followed, and merely a file."""
    try:
        changes = [msgspec.json.decode(change, type=shapes.Change) for change in item.changes]
    except msgspec.ValidationError:
        return False
    root = Path(os.path.realpath(workspace))
    paths = [Path(os.path.realpath(workspace / change.path)) for change in changes]
    return bool(paths) and all(
        path.is_relative_to(root) and _NOT_MERELY_FILES.isdisjoint(path.relative_to(root).parts)
        for path in paths
    )
