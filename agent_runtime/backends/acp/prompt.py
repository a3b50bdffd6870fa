"""One prompt, from session/prompt to its answer."""

from pathlib import Path

from acp import meta, schema

from agent_runtime.backends.acp.agent import Agent
from agent_runtime.backends.acp.asking import Asking
from agent_runtime.backends.acp.content import content
from agent_runtime.backends.acp.events import Unreadable, read
from agent_runtime.backends.acp.meaning import Meanings
from agent_runtime.backends.acp.rpc import request
from agent_runtime.backends.acp.turn import TurnState
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.unreadable import unreadable
from agent_runtime.model import Outcome, TurnEnd

_METHOD = meta.AGENT_METHODS["session_prompt"]


class Prompt:
    """`run` is one task; `interrupt` may come from another, and only sets going what run ends."""

    def __init__(self, agent: Agent, sink: TurnSink, workspace: Path) -> None:
        self._agent = agent
        self._sink = sink
        self._number = agent.lines.number()
        self._state = TurnState(agent.session_id, self._number)
        self._meanings = Meanings(workspace)
        self._asking = Asking(agent.lines, sink, self._meanings, workspace)
        self._sent = False

    async def run(self, message: Message) -> TurnEnd:
        """To the end of the prompt, and of what an interrupted one has left running.

        Raises:
            BackendCrashed: the agent ended before the prompt did.
        """
        lines = self._agent.lines
        before = lines.members()
        with lines.listening() as inbox:
            if self._state.interrupted:
                return self._state.end()
            blocks = content(message, self._agent.abilities)
            wanted = schema.PromptRequest(session_id=self._agent.session_id, prompt=[*blocks])
            self._sent = True
            await lines.send(request(self._number, _METHOD, wanted))
            try:
                while not self._state.ended:
                    await self._take(await inbox.next())
            finally:
                await self._asking.close()
        end = self._state.end()
        if end.outcome is Outcome.INTERRUPTED:
            await lines.end_newer(before)
        return end

    async def interrupt(self) -> None:
        self._state.interrupted = True
        if self._sent:
            await self._cancel()

    async def _cancel(self) -> None:
        await self._agent.cancel()
        await self._asking.cancel()

    async def _take(self, raw: bytes) -> None:
        try:
            event = read(raw)
        except Unreadable as error:
            await self._sink.emit(unreadable(raw, str(error)))
            return
        if not self._state.observe(event):
            return
        await self._asking.tell(event, self._meanings.of(event))
        if self._state.interrupted:  # it may have come before the agent had begun
            await self._cancel()
