"""The parts of the CLI's messages that we look into; what we do not name is not read."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from agent_runtime.backends.jsonrpc import EMPTY


class _Camel(msgspec.Struct, rename="camel"):
    """The CLI writes its names in camel case."""


class Where(_Camel):
    """What says which turn a message belongs to."""

    thread_id: str = ""
    turn_id: str | None = None
    turn: "Turn | None" = None


class Failure(_Camel):
    message: str = ""


class Turn(_Camel):
    id: str
    status: str = ""
    error: Failure | None = None


class TurnTold(_Camel):
    """The answer to turn/start, and turn/completed."""

    turn: Turn


class Thread(_Camel):
    id: str


class ThreadTold(_Camel):
    """The answer to thread/start and thread/resume."""

    thread: Thread


class Listed(_Camel):
    id: str


class Models(_Camel):
    """The answer to model/list."""

    data: list[Listed]


class Nothing(_Camel):
    """An answer in which there is nothing to read."""


class Initialized(_Camel):
    user_agent: str = ""


class Change(_Camel):
    path: str


class Item(_Camel):
    """A part of a turn; which fields it has depends on its type."""

    type: str
    id: str = ""
    text: str = ""
    summary: list[str] = []
    content: Raw = EMPTY
    status: str = ""
    command: str = ""
    cwd: str = ""
    aggregated_output: str | None = None
    exit_code: int | None = None
    changes: list[Raw] = []
    server: str = ""
    tool: str = ""
    arguments: Raw = EMPTY
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    query: str = ""


class ItemTold(_Camel):
    """item/started and item/completed."""

    item: Item


class KeptItem(_Camel):
    """Of the CLI's own history."""

    item: Item


class KeptItems(_Camel):
    """The answer to thread/items/list: a page of KeptItem."""

    data: list[Raw] = []
    next_cursor: str | None = None


class Delta(_Camel):
    item_id: str
    delta: str


class Tokens(_Camel):
    """`input_tokens` counts the cached ones, `output_tokens` the reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0


class TokenUsage(_Camel):
    """`last`: of the latest model call; `total`: of all calls of the thread."""

    last: Tokens
    total: Tokens


class UsageTold(_Camel):
    token_usage: TokenUsage


class Status(_Camel):
    type: str


class StatusTold(_Camel):
    status: Status


class Warned(_Camel):
    message: str


class Failed(_Camel):
    error: Failure
    will_retry: bool = False


class Step(_Camel):
    step: str
    status: str


class Plan(_Camel):
    plan: list[Step]


class Resolved(_Camel):
    request_id: int | str


class CommandAsked(_Camel):
    """item/commandExecution/requestApproval."""

    command: str | None = None
    cwd: str | None = None
    reason: str | None = None


class ChangeAsked(_Camel):
    """item/fileChange/requestApproval; what is changed was told when the item began."""

    item_id: str
    grant_root: str | None = None


class QuestionOption(_Camel):
    label: str
    description: str = ""


class Question(_Camel):
    id: str
    question: str
    header: str = ""
    options: list[QuestionOption] | None = None


class QuestionsAsked(_Camel):
    """item/tool/requestUserInput."""

    questions: list[Question]


class Form(_Camel):
    properties: dict[str, Raw] = {}


class ElicitationAsked(_Camel):
    """mcpServer/elicitation/request: a server, or the CLI on its behalf, wants consent or more."""

    server_name: str
    mode: str = ""
    message: str = ""
    requested_schema: Form | None = None
