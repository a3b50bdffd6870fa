"""What an event asks the user, and how the CLI is told the answer."""

import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from agent_runtime.backends.asks import (
    Decision,
    Option,
    PermissionAnswer,
    PermissionAsk,
    Question,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.claude_code import shapes

QUESTION_TOOL = "AskUserQuestion"
_EDITS = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
_NOT_MERELY_FILES = frozenset({".claude", ".git"})
"""What is written there may be run; the CLI itself guards these folders, too."""


def ask_of(told: shapes.ControlRequest, workspace: Path) -> PermissionAsk | QuestionAsk:
    """What a request of the subtype `can_use_tool` asks."""
    asked = told.request
    questions = _questions(asked) if asked.tool_name == QUESTION_TOOL else ()
    if questions:
        return QuestionAsk(prompt_id=told.request_id, questions=questions)
    return PermissionAsk(
        prompt_id=told.request_id,
        tool=asked.tool_name,
        input_json=bytes(asked.input),
        edits=asked.tool_name in _EDITS and _is_within(asked.input, workspace),
    )


def permission_response(asked: shapes.Asked, answer: PermissionAnswer) -> dict[str, Any]:
    """Always: by the rules that the CLI suggests, for this session, in no file."""
    if answer.decision is Decision.REJECT:
        return {"behavior": "deny", "message": answer.message}
    allowed = {"behavior": "allow", "updatedInput": asked.input}
    if answer.decision is Decision.ONCE:
        return allowed
    suggested: list[Any] = [rule for told in asked.permission_suggestions for rule in told.rules]
    rules = {
        "type": "addRules",
        "rules": suggested or [{"toolName": asked.tool_name}],
        "behavior": "allow",
        "destination": "session",
    }
    return {**allowed, "updatedPermissions": [rules]}


def question_response(
    asked: shapes.Asked, ask: QuestionAsk, answer: QuestionAnswer
) -> dict[str, Any]:
    """Answers stand beside the questions in the tool's input."""
    given = {
        question.question: ", ".join(texts)
        for question, texts in zip(ask.questions, answer.answers, strict=True)
    }
    updated = {**msgspec.json.decode(asked.input, type=dict[str, Raw]), "answers": given}
    return {"behavior": "allow", "updatedInput": updated}


def _questions(asked: shapes.Asked) -> tuple[Question, ...]:
    try:
        told = msgspec.json.decode(asked.input, type=shapes.Questions)
    except msgspec.ValidationError:
        return ()
    return tuple(
        Question(
            question=question.question,
            header=question.header,
            options=tuple(Option(each.label, each.description) for each in question.options),
            multiple=question.multi_select,
        )
        for question in told.questions
    )


def _is_within(tool_input: Raw, workspace: Path) -> bool:
    """Whether the file is in the workspace, links followed, and merely a file."""
    try:
        told = msgspec.json.decode(tool_input, type=shapes.Edited)
    except msgspec.ValidationError:
        return False
    named = told.file_path or told.notebook_path
    path = Path(os.path.realpath(workspace / named))
    root = Path(os.path.realpath(workspace))
    if not named or not path.is_relative_to(root):
        return False
    return _NOT_MERELY_FILES.isdisjoint(path.relative_to(root).parts)
