"""One prompt, from session/prompt to its answer."""

from pathlib import Path

from acp import meta, schema

from agent_runtime.backends.acp.agent import Agent
from agent_runtime.backends.acp.asking import Asking
from agent_runtime.backends.acp.content import content
from agent_runtime.backends.acp.events import read
from agent_runtime.backends.acp.meaning import Meanings
from agent_runtime.backends.acp.rpc import request
from agent_runtime.backends.acp.turn import TurnState
from agent_runtime.backends.exchange import exchange
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.unreadable import readable
from agent_runtime.model import TurnEnd

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
        blocks = content(message, self._agent.abilities)
        wanted = schema.PromptRequest(session_id=self._agent.session_id, prompt=[*blocks])
        return await exchange(
            self._agent.lines,
            self._state,
            self._asking,
            send=lambda: self._send(wanted),
            take=self._take,
        )

    async def interrupt(self) -> None:
        self._state.interrupted = True
        if self._sent:
            await self._cancel()

    async def _send(self, wanted: schema.PromptRequest) -> None:
        self._sent = True
        await self._agent.lines.send(request(self._number, _METHOD, wanted))

    async def _cancel(self) -> None:
        await self._agent.cancel()
        await self._asking.cancel()

    async def _take(self, raw: bytes) -> None:
        event = await readable(raw, read, self._sink)
        if event is None:
            return
        if not self._state.observe(event):
            return
        for change in self._meanings.changes(event):
            await self._sink.emit(change)
        await self._asking.tell(event, self._meanings.of(event))
        if self._state.interrupted:  # it may have come before the agent had begun
            await self._cancel()
