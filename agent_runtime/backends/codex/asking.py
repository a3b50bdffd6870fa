"""What the CLI asks during one prompt: carried to the sink, and the answer back."""

import asyncio
import logging
from functools import partial

from agent_runtime.backends.asks import Decision, PermissionAnswer, QuestionAnswer
from agent_runtime.backends.codex.asked import Permission, Questions
from agent_runtime.backends.codex.cli import Cli
from agent_runtime.backends.codex.content import content
from agent_runtime.backends.codex.events import Event
from agent_runtime.backends.codex.meaning import Meanings
from agent_runtime.backends.codex.shapes import Resolved
from agent_runtime.backends.message import Message
from agent_runtime.backends.open_asks import OpenAsks
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.shape import shape
from agent_runtime.errors import Refused
from agent_runtime.model import BackendEvent, Kind

log = logging.getLogger(__name__)

_EXPLAIN_S = 5.0
"""How long the CLI may take to take in why, before it is told that it may not."""


class Asking:
    """Owned by the prompt's task. What it tells the CLI, `meanings` learns first."""

    def __init__(self, cli: Cli, sink: TurnSink, meanings: Meanings) -> None:
        self._cli = cli
        self._sink = sink
        self._meanings = meanings
        self._open = OpenAsks("codex")
        self._interrupted = False

    def interrupt(self) -> None:
        """The model is told nothing more."""
        self._interrupted = True

    async def tell(self, event: Event, meant: BackendEvent) -> None:
        """Every event of the prompt, into the sink."""
        if event.is_request:
            await self._asked(event, meant)
            return
        await self._sink.emit(meant)
        if event.type == "serverRequest/resolved" and (gone := shape(event.params, Resolved)):
            self._open.withdraw(str(gone.request_id))

    async def close(self) -> None:
        """The prompt is over: nobody waits for an answer any more."""
        await self._open.close()

    async def _asked(self, event: Event, meant: BackendEvent) -> None:
        number = str(event.number)
        asked = self._meanings.asked(event)
        match asked:
            case Permission():
                permission = await self._sink.permission(meant, asked.ask)
                self._open.begin(number, permission, partial(self._permission, event, asked))
            case Questions():
                question = await self._sink.question(meant, asked.ask)
                self._open.begin(number, question, partial(self._question, event, asked))
            case None:
                if event.forwarded:
                    await self._sink.emit(meant)
                await self._cli.refuse(event.number, event.type)

    async def _permission(self, event: Event, asked: Permission, answer: PermissionAnswer) -> None:
        if answer.decision is Decision.REJECT and not self._interrupted:
            await self._explain(event, asked, answer.message)
        data = {"prompt_id": asked.ask.prompt_id, "decision": answer.decision}
        self._meanings.answered(event.number, Kind.PERMISSION_ANSWERED, data)
        await self._cli.answer(event.number, asked.result(answer.decision))

    async def _explain(self, event: Event, asked: Permission, why: str) -> None:
        """The CLI's answer has no room for it, so the model gets it as a message in the turn."""
        told = content(Message(f"{asked.ask.tool} is refused: {why}"))
        try:
            async with asyncio.timeout(_EXPLAIN_S):
                await self._cli.steer(told, turn_id=event.turn_id, thread_id=event.thread_id)
        except (TimeoutError, Refused) as error:
            log.info("refusal_not_explained", extra={"reason": str(error) or "time is up"})

    async def _question(self, event: Event, asked: Questions, answer: QuestionAnswer) -> None:
        data = {"prompt_id": asked.ask.prompt_id, "answers": answer.answers}
        self._meanings.answered(event.number, Kind.QUESTION_ANSWERED, data)
        await self._cli.answer(event.number, asked.result(answer))
