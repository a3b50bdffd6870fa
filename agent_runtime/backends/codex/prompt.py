"""One prompt, from turn/start to turn/completed."""

import logging
from pathlib import Path

from agent_runtime.backends.codex.asking import Asking
from agent_runtime.backends.codex.cli import Cli
from agent_runtime.backends.codex.content import content
from agent_runtime.backends.codex.events import Unreadable, read
from agent_runtime.backends.codex.meaning import Meanings
from agent_runtime.backends.codex.meter import USAGE
from agent_runtime.backends.codex.rpc import Refused
from agent_runtime.backends.codex.turn import TurnState
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.unreadable import unreadable
from agent_runtime.model import Outcome, TurnEnd

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
        before = self._cli.lines.members()
        with self._cli.lines.listening() as inbox:
            if self._state.interrupted:
                return self._state.end()
            await self._cli.start_turn(self._number, content(message), model)
            try:
                while not self._state.ended:
                    await self._take(await inbox.next())
            finally:
                await self._asking.close()
        end = self._state.end()
        if end.outcome is Outcome.INTERRUPTED:
            await self._cli.lines.end_newer(before)
        return end

    async def interrupt(self) -> None:
        """Before the CLI has started the turn, it would not know what to interrupt."""
        self._state.interrupted = True
        if self._state.started:
            await self._cli.interrupt(self._state.turn_id)

    async def steer(self, message: Message) -> bool:
        """Whether the turn took it. Raises BackendCrashed."""
        if not self._state.started or self._state.ended or self._state.interrupted:
            return False
        try:
            await self._cli.steer(self._state.turn_id, content(message))
        except Refused as refused:  # it has just ended
            log.info("not_steered", extra={"reason": str(refused)})
            return False
        return True

    async def _take(self, raw: bytes) -> None:
        try:
            event = read(raw)
        except Unreadable as error:
            await self._sink.emit(unreadable(raw, str(error)))
            return
        belongs = self._state.observe(event)
        if event.type == "turn/started" and belongs and self._state.interrupted:
            await self._cli.interrupt(self._state.turn_id)
        used = self._cli.meter.call(event) if event.type == USAGE else None
        if used is not None and belongs:
            self._state.add(used)
        if event.is_request or (belongs and event.forwarded):
            await self._asking.tell(event, self._meanings.of(event, used))
