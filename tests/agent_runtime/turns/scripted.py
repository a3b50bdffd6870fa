"""A backend that does what a test tells it, without a CLI."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, Self

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.errors import Invalid
from agent_runtime.model import BackendEvent, Kind, Outcome, TurnEnd

Script = Callable[["ScriptedBackend", str, TurnSink], Awaitable[TurnEnd]]

COMPLETED = TurnEnd(outcome=Outcome.COMPLETED)


async def echo(_: "ScriptedBackend", content: str, sink: TurnSink) -> TurnEnd:
    await sink.emit(BackendEvent("text", f'"{content}"'.encode(), Kind.TEXT_DELTA))
    return COMPLETED


async def until_interrupted(backend: "ScriptedBackend", content: str, sink: TurnSink) -> TurnEnd:
    await echo(backend, content, sink)
    await backend.interrupted.wait()
    return TurnEnd(outcome=Outcome.INTERRUPTED)


async def for_ever(backend: "ScriptedBackend", content: str, sink: TurnSink) -> TurnEnd:
    await echo(backend, content, sink)
    await asyncio.Event().wait()
    return COMPLETED


class ScriptedBackend:
    """Runs `script` for every prompt; records what it was asked."""

    name: ClassVar[str] = "scripted"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)

    def __init__(self, script: Script = echo) -> None:
        self.script = script
        self.prompts: list[str] = []
        self.models: list[str] = []
        self.steered: list[str] = []
        self.steers = True
        self.sessions: list[str] = []
        self.session_gate = asyncio.Event()
        self.session_gate.set()
        self.remembers: dict[str, Recalled] = {}
        self.recalls: list[Bookmarks] = []
        self.recall_error: Exception | None = None
        self.interrupted = asyncio.Event()
        self.stops = 0
        self.start_error: Exception | None = None
        self.stop_error: Exception | None = None
        self.running = False

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        return Usability(usable=True, detail=str(len(env)))

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        assert context
        return cls()

    async def start(self) -> None:
        if self.start_error is not None:
            raise self.start_error
        self.running = True

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        self.prompts.append(message.content)
        self.interrupted.clear()
        return await self.script(self, message.content, sink)

    async def interrupt(self) -> None:
        self.interrupted.set()

    async def steer(self, message: Message) -> bool:
        self.steered.append(message.content)
        return self.steers

    async def new_session(self, *, fork: bool) -> str:
        self.sessions.append("fork" if fork else "fresh")
        await self.session_gate.wait()
        return f"session-{len(self.sessions)}"

    async def recall(self, wanted: Bookmarks) -> Mapping[str, Recalled]:
        self.recalls.append(wanted)
        if self.recall_error is not None:
            raise self.recall_error
        found = {place: self.remembers.get(place) for place in wanted.places}
        return {place: one for place, one in found.items() if one is not None}

    def check_model(self, model: str) -> None:
        if model == "unlisted":
            raise Invalid("model: known are a, b")

    async def set_model(self, model: str) -> None:
        if model == "bad":
            raise Invalid("model: there is no such model")
        self.models.append(model)

    async def set_permission_mode(self, mode: str) -> None:
        self.models.append(mode)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        """Texts are joined, whatever part they are of."""
        said = json.loads(first.event_json) + json.loads(second.event_json)
        return BackendEvent(first.event_type, json.dumps(said).encode(), first.kind)

    async def stop(self) -> None:
        self.stops += 1
        if self.stop_error is not None:
            raise self.stop_error
        self.running = False
