"""One prompt, from turn/start to turn/completed."""

import logging
from pathlib import Path

from agent_runtime.backends.codex.asking import Asking
from agent_runtime.backends.codex.cli import Cli
from agent_runtime.backends.codex.content import content
from agent_runtime.backends.codex.events import read
from agent_runtime.backends.codex.meaning import Meanings
from agent_runtime.backends.codex.meter import USAGE
from agent_runtime.backends.codex.turn import TurnState
from agent_runtime.backends.exchange import exchange
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.unreadable import readable
from agent_runtime.errors import Refused
from agent_runtime.model import TurnEnd

log = logging.getLogger(__name__)


class Prompt:
    """`run` is one task; `interrupt` may come from another, and only sets going what run ends."""

    def __init__(self, cli: Cli, sink: TurnSink, workspace: Path) -> None:
        self._cli = cli
        self._sink = sink
        self._number = cli.lines.number()
        self._state = TurnState(cli.thread_id, self._number)
        self._meanings = Meanings(cli.thread_id, workspace)
        self._asking = Asking(cli, sink, self._meanings)

    async def run(self, message: Message, model: str) -> TurnEnd:
        """To the end of the prompt, and of what an interrupted one has left running.

        Raises:
            BackendCrashed: the CLI ended before the prompt did.
        """
        return await exchange(
            self._cli.lines,
            self._state,
            self._asking,
            send=lambda: self._cli.start_turn(self._number, content(message), model),
            take=self._take,
        )

    async def interrupt(self) -> None:
        """Before the CLI has started the turn, it would not know what to interrupt."""
        self._state.interrupted = True
        self._asking.interrupt()
        if self._state.started:
            await self._cli.interrupt(self._state.turn_id)

    async def steer(self, message: Message) -> bool:
        """Whether the turn took it. Raises BackendCrashed."""
        if not self._state.started or self._state.ended or self._state.interrupted:
            return False
        try:
            await self._cli.steer(content(message), turn_id=self._state.turn_id)
        except Refused as refused:  # it has just ended
            log.info("not_steered", extra={"reason": str(refused)})
            return False
        return True

    async def _take(self, raw: bytes) -> None:
        event = await readable(raw, read, self._sink)
        if event is None:
            return
        known = self._state.turn_id
        belongs = self._state.observe(event)
        if self._state.turn_id and not known:
            await self._sink.bookmark(self._state.turn_id)
        if event.type == "turn/started" and belongs and self._state.interrupted:
            await self._cli.interrupt(self._state.turn_id)
        used = self._cli.meter.call(event) if event.type == USAGE else None
        if used is not None and belongs:
            self._state.add(used)
        if event.is_request or (belongs and event.forwarded):
            for change in self._meanings.changes(event):
                await self._sink.emit(change)
            await self._asking.tell(event, self._meanings.of(event, used))
