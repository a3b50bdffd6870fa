"""One prompt, from its POST to its end."""

from agent_runtime.backends.message import Message
from agent_runtime.backends.opencode import history
from agent_runtime.backends.opencode.asking import Asking
from agent_runtime.backends.opencode.client import Client, EventStream
from agent_runtime.backends.opencode.events import read
from agent_runtime.backends.opencode.meaning import Meanings
from agent_runtime.backends.opencode.turn import Session, TurnState, Verdict
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.unreadable import readable
from agent_runtime.model import TurnEnd

_QUIET_S = 0.5
"""Silence after which the CLI is asked whether a doubtful turn is over."""


class Prompt:
    """`run` is one task; `interrupt` may come from another, and only sets going what run ends."""

    def __init__(self, client: Client, session: Session, sink: TurnSink) -> None:
        self._client = client
        self._session_id = session.session_id
        self._sink = sink
        self._asking = Asking(client, sink)
        self._state = TurnState(session)
        self._meanings = Meanings()
        self._posted = False

    async def run(self, message: Message, model: str) -> TurnEnd:
        """To the end of the prompt.

        Raises:
            BackendCrashed: the stream ended before the prompt did.
            Refused: the CLI did not take the prompt.
        """
        async with self._client.events() as events:
            if self._state.interrupted:
                return self._state.end()
            self._posted = True
            await self._client.prompt(self._session_id, message, model)
            try:
                await self._follow(events)
            finally:
                await self._asking.close()
        return self._state.end()

    async def interrupt(self) -> None:
        """Abort, then refuse what is still asked: an abort leaves it pending."""
        self._state.interrupted = True
        self._asking.interrupt()
        if self._posted:
            await self._abort()

    async def _abort(self) -> None:
        await self._client.abort(self._session_id)
        self._state.abort_answered()
        for prompt_id in list(self._state.pending_prompts):
            await self._asking.refuse(prompt_id)

    async def _follow(self, events: EventStream) -> None:
        while (verdict := self._state.verdict) is not Verdict.ENDED:
            quiet_s = _QUIET_S if verdict is Verdict.DOUBTFUL else None
            raw = await events.next(timeout_s=quiet_s)
            if raw is not None:
                await self._take(raw)
            elif not await self._client.busy(self._session_id):
                return

    async def _take(self, raw: bytes) -> None:
        event = await readable(raw, read, self._sink)
        if event is None:
            return
        known = self._state.message
        belongs = self._state.observe(event)
        if self._state.message is not None and known is None:
            await self._sink.bookmark(history.place_of(self._state.message))
        if belongs:
            subagent = self._state.is_subagent(event)
            await self._asking.tell(event, self._meanings.of(event, subagent=subagent))
        if self._state.interrupted and self._state.took_up(event):
            await self._abort()
