"""The facts that every room of the runtime shares. Frozen; no behaviour, no I/O."""

from dataclasses import dataclass
from enum import StrEnum

_COST_DIGITS = 9
"""Of a dollar; beyond is what adding makes of it."""


class Outcome(StrEnum):
    """How a turn ended."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"


class Code(StrEnum):
    """`error.code` of a final that is an error."""

    PROMPT_ERROR = "PROMPT_ERROR"
    """The backend refused or failed the prompt (a model error, an exit code)."""
    BACKEND_CRASHED = "BACKEND_CRASHED"
    """The CLI ended in mid-turn, or could not be started."""
    AGENT_RESTARTED = "AGENT_RESTARTED"
    """The runtime died while the turn ran."""
    AGENT_LOST = "AGENT_LOST"
    """The pod is taken away, and its journal with it."""
    TURN_TIMEOUT = "TURN_TIMEOUT"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    """A fault of the runtime itself."""


class Kind(StrEnum):
    """What an event means, the same for every backend."""

    TEXT_DELTA = "text.delta"
    TEXT = "text"
    REASONING_DELTA = "reasoning.delta"
    REASONING = "reasoning"
    TOOL_STARTED = "tool.started"
    TOOL_FINISHED = "tool.finished"
    PERMISSION_ASKED = "permission.asked"
    PERMISSION_ANSWERED = "permission.answered"
    QUESTION_ASKED = "question.asked"
    QUESTION_ANSWERED = "question.answered"
    FILE_CHANGED = "file.changed"
    TODO_UPDATED = "todo.updated"
    USAGE = "usage"
    STATUS = "status"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class BackendEvent:
    """One thing the CLI said.

    `event_json` is the CLI's own JSON, one UTF-8 JSON value, untouched.
    `data_json` is a JSON object with the fields of `kind` (wire.md), b"" for none.
    """

    event_type: str
    event_json: bytes
    kind: Kind = Kind.OTHER
    data_json: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Summed over model calls. Cost in US dollars, None: not told."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None = None

    def __add__(self, other: "Usage") -> "Usage":
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=round(sum(costs), _COST_DIGITS) if costs else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd:
    """How the backend ended a prompt. `code` and `message` only when it failed."""

    outcome: Outcome
    code: Code | None = None
    message: str = ""
    usage: Usage | None = None
