"""One event of the CLI: its own JSON, and the little of it that says where it belongs."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from agent_runtime.backends import shape as shaping

UNFORWARDED_PREFIXES = ("server.", "lsp.", "pty.", "tui.", "installation.", "mcp.", "project.")
UNFORWARDED = frozenset(
    {
        "global.disposed",
        "file.watcher.updated",
        "command.executed",
        "vcs.branch.updated",
        "plugin.added",
        "catalog.updated",
    }
)
"""Events that say nothing about the work."""


@dataclass(frozen=True, slots=True)
class Event:
    """`raw` is the CLI's JSON untouched, `session_id` is "" for what has no session."""

    type: str
    session_id: str
    properties: msgspec.Raw = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def forwarded(self) -> bool:
        return self.type not in UNFORWARDED and not self.type.startswith(UNFORWARDED_PREFIXES)


S = TypeVar("S", bound=msgspec.Struct)


def read(raw: bytes) -> Event:
    """Raises Unreadable when it is no JSON object with a string `type`."""
    envelope = shaping.envelope(raw, _Envelope)
    return Event(envelope.type, _session(envelope), envelope.properties, raw)


def shape(event: Event, kind: type[S]) -> S | None:
    """The event's properties in that shape, None when they have another one."""
    return shaping.shape(event.properties, kind)


class _Envelope(msgspec.Struct):
    type: str
    properties: msgspec.Raw = msgspec.Raw(b"{}")


class _Owner(msgspec.Struct, rename={"session_id": "sessionID"}):
    id: str = ""
    session_id: str = ""


class _Where(msgspec.Struct, rename={"session_id": "sessionID"}):
    session_id: str = ""
    info: _Owner | None = None
    part: _Owner | None = None


def _session(envelope: _Envelope) -> str:
    where = shaping.shape(envelope.properties, _Where)
    if where is None:
        return ""
    if where.session_id:
        return where.session_id
    if where.info is not None:
        is_session = envelope.type.startswith("session.")
        return where.info.session_id or (where.info.id if is_session else "")
    return where.part.session_id if where.part is not None else ""
