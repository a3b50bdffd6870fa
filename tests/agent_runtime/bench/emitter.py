"""A backend that emits as fast as it can: what the runtime costs without any CLI."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.model import BackendEvent, Kind, Outcome, TurnEnd

_YIELD_EVERY = 16
"""Events that one read of a CLI's output typically holds."""


def install(folder: Path) -> None:
    """Make a folder that, on PYTHONPATH, has this backend as an installed entry point."""
    info = folder / "emitter-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: emitter\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        f"[agent_runtime.backends]\nemitter = {__name__}:Emitter\n"
    )


class Emitter:
    """Prompts read `events=100 size=300`: how many text deltas of so many bytes of padding."""

    name: ClassVar[str] = "emitter"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    running = True

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        return Usability(usable=True, detail=f"emits, with {len(env)} variables")

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        assert context
        return cls()

    async def start(self) -> None:
        """Nothing to start."""

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        asked = {
            name: int(value)
            for name, _, value in (w.partition("=") for w in message.content.split())
        }
        padding = "x" * asked.get("size", 300)
        for number in range(asked["events"]):
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            told = f'{{"type":"text","t":{time.time_ns()},"text":"{padding}"}}'.encode()
            await sink.emit(BackendEvent("text", told, Kind.TEXT_DELTA))
        return TurnEnd(outcome=Outcome.COMPLETED)

    async def interrupt(self) -> None:
        """It is soon over."""

    async def steer(self, message: Message) -> bool:
        return False

    async def new_session(self, *, fork: bool) -> str:
        return ""

    async def recall(self, wanted: Bookmarks) -> Mapping[str, Recalled]:
        return {}

    def check_model(self, model: str) -> None: ...

    async def set_model(self, model: str) -> None:
        """It has none."""

    async def set_permission_mode(self, mode: str) -> None:
        """It asks for nothing."""

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return None

    async def stop(self) -> None:
        """Nothing to stop."""
