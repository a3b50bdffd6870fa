"""The properties of the events we look into; what we do not name is not read."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from agent_runtime.backends.asks import Question

NULL = Raw(b"null")
EMPTY = Raw(b"{}")


class Time(msgspec.Struct):
    created: float = 0
    end: float | None = None
    completed: float | None = None


class Cache(msgspec.Struct):
    read: int = 0
    write: int = 0


class Tokens(msgspec.Struct):
    """`input` is without what came from or went to the cache."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache: Cache = msgspec.field(default_factory=Cache)


class ToolState(msgspec.Struct):
    status: str
    input: Raw = EMPTY
    output: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class Part(msgspec.Struct, rename={"message_id": "messageID", "call_id": "callID"}):
    type: str
    id: str = ""
    message_id: str = ""
    text: str = ""
    synthetic: bool = False
    time: Time | None = None
    tool: str = ""
    call_id: str = ""
    state: ToolState | None = None
    tokens: Tokens | None = None
    cost: float | None = None


class PartUpdated(msgspec.Struct):
    part: Part


class PartDelta(msgspec.Struct, rename={"part_id": "partID"}):
    part_id: str
    field: str
    delta: str


class Failure(msgspec.Struct):
    """An error as the CLI tells it."""

    name: str = "UnknownError"
    data: Raw = EMPTY

    @property
    def aborted(self) -> bool:
        return self.name == "MessageAbortedError"

    @property
    def message(self) -> str:
        """What happened, the first line; the rest is the CLI's own stack."""
        try:
            told = msgspec.json.decode(self.data, type=_FailureData).message
        except msgspec.ValidationError:
            told = ""
        return (told or self.name).splitlines()[0][:2000]


class _FailureData(msgspec.Struct):
    message: str = ""


class Message(msgspec.Struct):
    id: str
    role: str
    time: Time | None = None
    error: Failure | None = None


class Kept(msgspec.Struct):
    """A message in the CLI's own history."""

    info: Message
    parts: list[Part] = []


class MessageUpdated(msgspec.Struct):
    info: Message


class SessionError(msgspec.Struct):
    error: Failure | None = None


class SessionInfo(msgspec.Struct, rename={"parent_id": "parentID"}):
    id: str
    parent_id: str = ""


class SessionCreated(msgspec.Struct):
    info: SessionInfo


class Status(msgspec.Struct):
    type: str
    message: str | UnsetType = UNSET
    attempt: int | UnsetType = UNSET


class SessionStatus(msgspec.Struct):
    status: Status


class PermissionAsked(msgspec.Struct):
    id: str
    permission: str = ""
    metadata: Raw = EMPTY


class QuestionAsked(msgspec.Struct):
    id: str
    questions: tuple[Question, ...] = ()


class Replied(msgspec.Struct, rename={"request_id": "requestID"}):
    request_id: str
    reply: str | UnsetType = UNSET
    answers: Raw | UnsetType = UNSET


class FileEdited(msgspec.Struct):
    file: str


class TodoUpdated(msgspec.Struct):
    todos: Raw
