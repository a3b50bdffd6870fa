"""A backend for benchmarks: in the runtime's own process, with no CLI behind it.

The message says what it emits: `events=100 size=300 gap=0` (how many, bytes of
padding in each, microseconds from one to the next). Each event's JSON has `t`,
the Unix time in nanoseconds at which it was made. With `tasks=1` the file `tasks`
in the agent's home then says how many tasks the runtime's event loop has.
"""

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


class EmitterBackend:
    """Takes every prompt; runs nothing between two."""

    name: ClassVar[str] = "emitter"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(self, home: Path) -> None:
        self._home = home
        self._interrupted = asyncio.Event()

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:  # noqa: ARG003 - as the protocol has it
        return Usability(usable=True, detail="emits what it is asked for")

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        return cls(context.home)

    async def start(self) -> None:
        """Nothing is started."""

    @property
    def running(self) -> bool:
        return True

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        self._interrupted.clear()
        asked = dict(pair.split("=", 1) for pair in message.content.split())
        padding = "x" * int(asked.get("size", 0))
        gap_s = int(asked.get("gap", 0)) / 1e6
        if "tasks" in asked:
            _tell_tasks(self._home)
        began_s = asyncio.get_running_loop().time()
        for number in range(int(asked.get("events", 0))):
            if self._interrupted.is_set():
                return TurnEnd(outcome=Outcome.INTERRUPTED)
            await _until(began_s + number * gap_s)
            await sink.emit(_event(padding))
        return TurnEnd(outcome=Outcome.COMPLETED)

    async def interrupt(self) -> None:
        self._interrupted.set()

    async def steer(self, message: Message) -> bool:
        return False

    async def new_session(self, *, fork: bool) -> str:
        return ""

    async def recall(self, wanted: Bookmarks) -> Mapping[str, Recalled]:
        return {}

    def check_model(self, model: str) -> None: ...

    async def set_model(self, model: str) -> None:
        """Has none."""

    async def set_permission_mode(self, mode: str) -> None:
        """Asks for nothing."""

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        """Each says when it was made: none can stand for two."""
        return None

    async def stop(self) -> None:
        self._interrupted.set()


def _tell_tasks(home: Path) -> None:
    """Whole, whenever it is read."""
    told = home / "tasks.new"
    told.write_text(str(len(asyncio.all_tasks())))
    told.replace(home / "tasks")


async def _until(at_s: float) -> None:
    """Lets others run in any case, as waiting for a CLI's output does."""
    await asyncio.sleep(max(0.0, at_s - asyncio.get_running_loop().time()))


def _event(padding: str) -> BackendEvent:
    made = b'{"type":"text","t":%d,"text":"%b"}' % (time.time_ns(), padding.encode())
    return BackendEvent(event_type="text", event_json=made, kind=Kind.TEXT_DELTA)
