"""What the CLI asks during one prompt: carried to the sink, and the answer back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent_runtime.backends.asks import Decision, PermissionAnswer, PermissionAsk, QuestionAsk
from agent_runtime.backends.opencode.asked import permission_of, question_of
from agent_runtime.backends.opencode.client import Client, Refused
from agent_runtime.backends.opencode.events import Event, shape
from agent_runtime.backends.opencode.shapes import Replied
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import BackendCrashed

log = logging.getLogger(__name__)

_SETTLED = ("permission.replied", "question.replied", "question.rejected")
_INTERRUPTED = PermissionAnswer(decision=Decision.REJECT, message="The turn was interrupted.")


Ask = TypeVar("Ask", PermissionAsk, QuestionAsk)


class Asking:
    """Owns a task for each open ask, so that the prompt's own task reads on meanwhile.

    A rejection always comes with a message: without one the CLI ends its turn.
    """

    def __init__(self, client: Client, sink: TurnSink) -> None:
        self._client = client
        self._sink = sink
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._interrupted = False

    def interrupt(self) -> None:
        """Refuse what is asked from now on; the sink answers what is open already."""
        self._interrupted = True

    def observe(self, event: Event) -> None:
        """Every event of the prompt, after it has been emitted."""
        if event.type == "permission.asked" and (asked := permission_of(event)):
            self._begin(self._permission, asked)
        elif event.type == "question.asked" and (question := question_of(event)):
            self._begin(self._question, question)
        elif event.type in _SETTLED and (told := shape(event, Replied)):
            self._settle(told.request_id)

    async def refuse(self, prompt_id: str) -> None:
        """A permission that an abort has left pending."""
        await self._answer(prompt_id, _INTERRUPTED)

    async def close(self) -> None:
        """The prompt is over: nobody waits for an answer any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, carry: Callable[[Ask], Awaitable[None]], ask: Ask) -> None:
        async def until_answered() -> None:
            try:
                await carry(ask)
            except BackendCrashed as crash:  # the prompt's own task learns of it by itself
                log.info("answer_lost", extra={"reason": str(crash)})

        task = asyncio.create_task(until_answered(), name="opencode-ask")
        self._tasks[ask.prompt_id] = task
        task.add_done_callback(lambda done: self._done(ask.prompt_id, done))

    def _settle(self, prompt_id: str) -> None:
        """The CLI waits no more: it had our answer, or an `always` covers this one, too."""
        if prompt_id in self._tasks:
            self._tasks[prompt_id].cancel()

    def _done(self, prompt_id: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(prompt_id) is task:
            del self._tasks[prompt_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("ask_failed", exc_info=error)

    async def _permission(self, ask: PermissionAsk) -> None:
        answer = _INTERRUPTED if self._interrupted else await self._sink.permission(ask)
        await self._answer(ask.prompt_id, answer)

    async def _question(self, ask: QuestionAsk) -> None:
        answer = await self._sink.question(ask)
        try:
            await self._client.answer_question(ask.prompt_id, answer.answers)
        except Refused as refused:
            log.info("question_gone", extra={"prompt_id": ask.prompt_id, "reason": str(refused)})

    async def _answer(self, prompt_id: str, answer: PermissionAnswer) -> None:
        try:
            await self._client.answer_permission(prompt_id, answer)
        except Refused as refused:
            log.info("permission_gone", extra={"prompt_id": prompt_id, "reason": str(refused)})
