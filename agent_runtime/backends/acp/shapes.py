"""The parts of the agent's messages that are looked into while it speaks."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from agent_runtime.backends.jsonrpc import EMPTY


class _Camel(msgspec.Struct, rename="camel"):
    """The protocol writes its names in camel case."""


class Explanation(msgspec.Struct):
    """What agents put into the data of an error."""

    message: str = ""
    details: str = ""


class Where(_Camel):
    session_id: str = ""


class Text(msgspec.Struct):
    type: str
    text: str = ""


class Place(msgspec.Struct):
    path: str


class Block(msgspec.Struct):
    """Of a tool's content: only texts and changed files are read."""

    type: str
    content: Text | None = None
    path: str = ""


class Diff(msgspec.Struct, tag="diff", tag_field="type"):
    """Of a tool's content: a file that it changes."""

    path: str


class Entry(msgspec.Struct):
    content: str
    status: str = "pending"
    priority: str = ""


class Update(_Camel):
    """Of session/update; which fields it has depends on its kind."""

    session_update: str
    content: Raw = EMPTY
    message_id: str | None = None
    tool_call_id: str = ""
    title: str | None = None
    kind: str | None = None
    status: str | None = None
    locations: Raw = EMPTY
    raw_input: Raw | UnsetType = UNSET
    raw_output: Raw | UnsetType = UNSET
    entries: list[Entry] = []


class UpdateTold(msgspec.Struct):
    update: Update


class Prompted(_Camel):
    """The answer to session/prompt."""

    stop_reason: str = ""
