"""Each CLI as a peer that does what a test scripts, whatever that is."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.acp import AcpBackend
from agent_runtime.backends.claude_code import ClaudeCodeBackend
from agent_runtime.backends.codex import CodexBackend
from agent_runtime.backends.opencode import OpenCodeBackend
from agent_runtime.backends.protocol import Backend
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.started import started
from tests.peers import acp_peer, claude_peer, codex_peer, opencode_peer

_DEEP = "[" * 5000 + "]" * 5000


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """What a peer is told so that it does one thing, in the CLI's own words.

    Attributes:
        program: what `option` is set to, for a script made of these fields.
        begin, end: the steps around what is said in a turn.
        text: the line of a text.
        odd: a line of a type that nobody knows, oddly written.
        strange: lines of known types, in shapes that nobody knows.
        garbage: lines that nobody can read.
        blank: lines in which there is nothing.
        broken: the script of one that complains of a full disk and does not start.
    """

    kind: type[Backend]
    option: str
    program: Callable[..., str]
    begin: tuple[str, ...] = ("BEGIN",)
    end: tuple[str, ...] = ("END",)
    text: Callable[[str], str]
    odd: str
    strange: tuple[str, ...]
    garbage: tuple[str, ...]
    blank: tuple[str, ...] = ("",)
    broken: Mapping[str, Any] = field(default_factory=lambda: {"boot_output": "the disk is full"})

    def make(self, place: Place, folder: Path, *, session_id: str = "", **script: Any) -> Backend:
        options = {self.option: self.program(folder, **script)}
        return self.kind.create(place.context(options=options, session_id=session_id))

    @asynccontextmanager
    async def started(self, place: Place, folder: Path, **script: Any) -> AsyncIterator[Backend]:
        """A backend that has been started with a peer of that script."""
        async with started(self.make(place, folder, **script)) as backend:
            yield backend

    @asynccontextmanager
    async def doing(self, place: Place, folder: Path, *steps: str) -> AsyncIterator[Backend]:
        """The same with one that does that in each turn, once it has begun."""
        async with self.started(place, folder, steps=[*self.begin, *steps]) as backend:
            yield backend


def _line(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()


def _base64(raw: bytes) -> str:
    return "base64:" + base64.b64encode(raw).decode()


_OF_METHODS = ("a banner", "[1,2]", '{"method":5}', "{}", '{"method":"x","params":' + _DEEP + "}")
_OF_TYPES = (
    "a banner",
    "[1,2]",
    '{"type":5}',
    "{}",
    _base64(b'{"type":"x\xff\xfe"}'),
    '{"type":"x","properties":' + _DEEP + "}",
)

ACP = Scripted(
    kind=AcpBackend,
    option="FORGE_ACP_COMMAND",
    program=lambda folder, **script: acp_peer.command(folder, acp_peer.PeerScript(**script)),
    begin=(),
    text=acp_peer.chunk,
    odd='{ "params":{"n":1e2,"sessionId":"ses_1","s":"\\u00e4ö\\/"}, "method":"session/update" }',
    strange=(
        *(
            acp_peer.update(name, content=7, toolCallId="c", kind="edit", locations={}, entries=[])
            for name in ("agent_message_chunk", "tool_call", "tool_call_update", "brand_new")
        ),
        acp_peer.update("plan", entries=5),
    ),
    garbage=_OF_METHODS,
)
CLAUDE_CODE = Scripted(
    kind=ClaudeCodeBackend,
    option="FORGE_CLAUDE_CODE_BIN",
    program=lambda folder, **script: str(
        claude_peer.binary(folder, claude_peer.PeerScript(**script))
    ),
    text=claude_peer.text,
    odd='{ "n":1e2,"s":"\\u00e4ö\\/", "type":"new.one" }',
    strange=tuple(
        _line(type=name, subtype="status", status=[], message=7, event=[], request=1)
        for name in (
            "assistant",
            "user",
            "stream_event",
            "system",
            "control_request",
            "control_response",
        )
    ),
    garbage=_OF_TYPES,
)
CODEX = Scripted(
    kind=CodexBackend,
    option="FORGE_CODEX_BIN",
    program=lambda folder, **script: str(
        codex_peer.binary(folder, codex_peer.PeerScript(**script))
    ),
    text=codex_peer.text,
    odd='{ "params":{"n":1e2,"threadId":"thread_1","s":"\\u00e4ö\\/"}, "method":"new/one" }',
    strange=tuple(
        codex_peer.notification(method, item=7, status=[], delta=1, plan=2)
        for method in (
            "item/started",
            "item/completed",
            "item/agentMessage/delta",
            "thread/status/changed",
            "thread/tokenUsage/updated",
            "turn/plan/updated",
            "serverRequest/resolved",
            "error",
            "warning",
        )
    ),
    garbage=_OF_METHODS,
)
OPENCODE = Scripted(
    kind=OpenCodeBackend,
    option="FORGE_OPENCODE_BIN",
    program=lambda folder, **script: str(
        opencode_peer.binary(folder, opencode_peer.PeerScript(**script))
    ),
    text=opencode_peer.text_part,
    odd='{ "properties" : {"sessionID":"ses_1","n":1e2,"s":"\\u00e4ö\\/"},"type":"new.one" }',
    strange=tuple(
        _line(type=name, properties={"sessionID": "ses_1", "part": 7, "info": [], "status": 1})
        for name in (
            "message.part.updated",
            "message.updated",
            "session.status",
            "permission.asked",
        )
    ),
    garbage=_OF_TYPES,
    blank=(),
    broken={"boot_output": "the disk is full", "boot_failures": 9},
)
