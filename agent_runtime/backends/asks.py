"""What a CLI asks in the middle of a prompt, and what it is answered.

`data_json` of an ask is the data of its permission.asked or question.asked event,
and `data_json` of an answer that of the answered event, so that they look the
same whatever CLI asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw

A_co = TypeVar("A_co", covariant=True)


class Decision(StrEnum):
    ONCE = "once"
    ALWAYS = "always"
    """This, and what is like it, for the rest of the session."""
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAsk:
    """May this be done?

    Attributes:
        prompt_id: unique in the agent's life: the CLI's own id where it has one.
        tool: in the CLI's own words, such as `bash`; policies match it.
        input_json: what it would be called with, one JSON object.
        edits: it does no more than change files in the workspace.
        options: the decisions that the CLI understands.
    """

    prompt_id: str
    tool: str
    input_json: bytes = b"{}"
    edits: bool = False
    options: tuple[Decision, ...] = tuple(Decision)

    @property
    def data(self) -> dict[str, Any]:
        return {
            "prompt_id": self.prompt_id,
            "tool": self.tool,
            "input": Raw(self.input_json),
            "options": self.options,
        }

    @property
    def data_json(self) -> bytes:
        return msgspec.json.encode(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAnswer:
    """`message`: why it is rejected, for the model; never empty with a rejection."""

    decision: Decision
    message: str = ""

    def data_json(self, prompt_id: str) -> bytes:
        return msgspec.json.encode({"prompt_id": prompt_id, "decision": self.decision})


class Option(msgspec.Struct, frozen=True):
    label: str
    description: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`options` may be empty, and an answer that is none of them is an answer, too."""

    question: str
    header: str = ""
    options: tuple[Option, ...] = ()
    multiple: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAsk:
    """What does the user want? `prompt_id` as in PermissionAsk."""

    prompt_id: str
    questions: tuple[Question, ...]

    @property
    def data(self) -> dict[str, Any]:
        return {"prompt_id": self.prompt_id, "questions": self.questions}

    @property
    def data_json(self) -> bytes:
        return msgspec.json.encode(self.data)


@dataclass(frozen=True, slots=True)
class QuestionAnswer:
    """To each question the labels or texts that were chosen, one at least."""

    answers: tuple[tuple[str, ...], ...]

    @classmethod
    def same(cls, ask: QuestionAsk, text: str) -> "QuestionAnswer":
        """This text to every question."""
        return cls(tuple((text,) for _ in ask.questions))

    def data_json(self, prompt_id: str) -> bytes:
        answers: Sequence[Sequence[str]] = self.answers
        return msgspec.json.encode({"prompt_id": prompt_id, "answers": answers})


class Pending(Protocol[A_co]):
    """What will be answered to an ask that somebody may have read of by now."""

    async def answer(self) -> A_co:
        """To be awaited once, by a task of its own: it may take minutes."""
        ...

    def withdraw(self) -> None:
        """The CLI does not want to know any more. Nothing once it is answered."""
        ...
