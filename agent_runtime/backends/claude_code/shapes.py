"""The parts of the CLI's lines that we look into; what we do not name is not read."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

EMPTY = Raw(b"{}")


class Head(msgspec.Struct):
    """What every line has."""

    type: str
    subtype: str = ""
    session_id: str = ""
    parent_tool_use_id: str | None = None


class Block(msgspec.Struct):
    """A piece of a message: text, thinking, tool_use or tool_result."""

    type: str
    id: str = ""
    text: str = ""
    thinking: str = ""
    name: str = ""
    input: Raw = EMPTY
    tool_use_id: str = ""
    content: str | list[Any] | UnsetType = UNSET
    is_error: bool = False


class Message(msgspec.Struct):
    content: str | list[Block]
    id: str = ""
    stop_reason: str | None = None

    @property
    def blocks(self) -> list[Block]:
        return self.content if isinstance(self.content, list) else []


class Said(msgspec.Struct):
    """Of type `assistant` or `user`."""

    message: Message
    is_api_error_message: bool = False


class Done(msgspec.Struct):
    """Of type `user`: what a tool has done, in a shape of the tool's own."""

    tool_use_result: Raw = Raw(b"null")


class Patched(msgspec.Struct, rename="camel"):
    """What Write and Edit have done; no other tool tells a patch."""

    file_path: str
    structured_patch: Raw


class Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""


class StreamedEvent(msgspec.Struct):
    type: str
    index: int = 0
    delta: Delta | None = None


class Streamed(msgspec.Struct):
    """Of type `stream_event`."""

    event: StreamedEvent
    api_message_id: str = ""


class ModelUsage(msgspec.Struct, rename="camel"):
    """`input_tokens` is without what came from or went to the cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cost_usd: float = msgspec.field(name="costUSD", default=0.0)


class Result(msgspec.Struct):
    """Of type `result`: the end of a turn. What went wrong is told by `is_error` alone."""

    is_error: bool = False
    result: str | None = None
    errors: list[str] = []
    usage_by_model: dict[str, ModelUsage] = msgspec.field(
        name="model_usage_since_last_result", default_factory=dict
    )

    @property
    def message(self) -> str:
        told = self.result or "; ".join(self.errors) or "Claude Code does not say what went wrong"
        return told[:2000]


class Status(msgspec.Struct):
    """Of type `system`: `status` and `api_retry`."""

    status: str | None = None
    attempt: int | UnsetType = UNSET
    error: str | UnsetType = UNSET


class Lifecycle(msgspec.Struct):
    """Of type `command_lifecycle`: what has become of a message of the user."""

    command_uuid: str
    state: str


class Suggestion(msgspec.Struct):
    type: str
    rules: list[Raw] = []


class Asked(msgspec.Struct):
    subtype: str
    tool_name: str = ""
    input: Raw = EMPTY
    permission_suggestions: list[Suggestion] = []


class ControlRequest(msgspec.Struct):
    request_id: str
    request: Asked


class Cancelled(msgspec.Struct):
    """Of type `control_cancel_request`."""

    request_id: str


class ControlAnswer(msgspec.Struct):
    subtype: str
    request_id: str
    response: Raw = EMPTY
    error: str = ""


class ControlResponse(msgspec.Struct):
    response: ControlAnswer


class Model(msgspec.Struct, rename="camel"):
    value: str
    display_name: str = ""

    @property
    def is_known(self) -> bool:
        """One that it was only told of is listed, too, and has no name but that."""
        return self.display_name != self.value


class Initialized(msgspec.Struct):
    """The answer to `initialize`."""

    claude_code_version: str = ""
    models: list[Model] = []


class QuestionOption(msgspec.Struct):
    label: str
    description: str = ""


class Question(msgspec.Struct, rename={"multi_select": "multiSelect"}):
    question: str
    header: str = ""
    options: list[QuestionOption] = []
    multi_select: bool = False


class Questions(msgspec.Struct):
    """The input of the tool AskUserQuestion."""

    questions: list[Question]


class Edited(msgspec.Struct):
    """The input of the tools that change one file."""

    file_path: str = ""
    notebook_path: str = ""
