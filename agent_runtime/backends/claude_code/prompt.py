"""One prompt, from the user's message to its result."""

import uuid
from pathlib import Path

from agent_runtime.backends.claude_code import history
from agent_runtime.backends.claude_code.asking import Asking
from agent_runtime.backends.claude_code.cli import Cli
from agent_runtime.backends.claude_code.content import content
from agent_runtime.backends.claude_code.events import Event, read
from agent_runtime.backends.claude_code.meaning import Meanings
from agent_runtime.backends.claude_code.turn import TurnState
from agent_runtime.backends.exchange import exchange
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.unreadable import readable
from agent_runtime.model import TurnEnd


class Prompt:
    """`run` is one task; `interrupt` may come from another, and only sets going what run ends."""

    def __init__(self, cli: Cli, sink: TurnSink, workspace: Path, transcript: Path | None) -> None:
        """`transcript`: where the CLI keeps the session; None where it is a new one."""
        self._cli = cli
        self._sink = sink
        self._message_id = str(uuid.uuid4())
        self._place = history.place_of(self._message_id, transcript)
        self._state = TurnState(self._message_id)
        self._meanings = Meanings(workspace)
        self._asking = Asking(cli, sink, self._meanings, workspace)
        self.session_id = ""
        """The CLI's, "" until it has told."""

    async def run(self, message: Message) -> TurnEnd:
        """To the end of the prompt, and of what an interrupted one has left running.

        Raises:
            BackendCrashed: the CLI ended before the prompt did.
        """
        return await exchange(
            self._cli.lines,
            self._state,
            self._asking,
            send=lambda: self._cli.say(self._message_id, content(message)),
            take=self._take,
        )

    async def interrupt(self) -> None:
        """Before the CLI has taken the message up, it would not know what to interrupt."""
        self._state.interrupted = True
        if self._state.begun:
            await self._cli.interrupt()

    async def _take(self, raw: bytes) -> None:
        event = await readable(raw, read, self._sink)
        if event is None:
            return
        begun = self._state.begun
        if not self._state.observe(event):
            return
        if self._state.interrupted and (not begun or event.type == "system"):
            await self._cli.interrupt()
        await self._tell(event)

    async def _tell(self, event: Event) -> None:
        if event.session_id and event.session_id != self.session_id:
            self.session_id = event.session_id
            await self._sink.session(event.session_id)
            await self._sink.bookmark(self._place)
        for change in self._meanings.changes(event):
            await self._sink.emit(change)
        await self._asking.tell(event, self._meanings.of(event))
