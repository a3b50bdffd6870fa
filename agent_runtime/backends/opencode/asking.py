"""What the CLI asks during one prompt: carried to the sink, and the answer back."""

import logging
from functools import partial

from agent_runtime.backends.asks import Decision, PermissionAnswer, QuestionAnswer
from agent_runtime.backends.open_asks import OpenAsks
from agent_runtime.backends.opencode.asked import permission_of, question_of
from agent_runtime.backends.opencode.client import Client
from agent_runtime.backends.opencode.events import Event, shape
from agent_runtime.backends.opencode.shapes import Replied
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import Refused
from agent_runtime.model import BackendEvent

log = logging.getLogger(__name__)

_SETTLED = ("permission.replied", "question.replied", "question.rejected")
_INTERRUPTED = PermissionAnswer(decision=Decision.REJECT, message="The turn was interrupted.")


class Asking:
    """Owned by the prompt's task.

    A rejection always comes with a message: without one the CLI ends its turn.
    """

    def __init__(self, client: Client, sink: TurnSink) -> None:
        self._client = client
        self._sink = sink
        self._open = OpenAsks("opencode")
        self._interrupted = False

    def interrupt(self) -> None:
        """Grant nothing from now on, whatever the sink says."""
        self._interrupted = True

    async def tell(self, event: Event, meant: BackendEvent) -> None:
        """Every event of the prompt, into the sink."""
        if event.type == "permission.asked" and (ask := permission_of(event)):
            permission = await self._sink.permission(meant, ask)
            self._open.begin(ask.prompt_id, permission, partial(self._permission, ask.prompt_id))
        elif event.type == "question.asked" and (which := question_of(event)):
            question = await self._sink.question(meant, which)
            self._open.begin(which.prompt_id, question, partial(self._question, which.prompt_id))
        else:
            await self._sink.emit(meant)
            self._look_whether_settled(event)

    async def refuse(self, prompt_id: str) -> None:
        """A permission that an abort has left pending."""
        await self._permission(prompt_id, _INTERRUPTED)

    async def close(self) -> None:
        """The prompt is over: nobody waits for an answer any more."""
        await self._open.close()

    def _look_whether_settled(self, event: Event) -> None:
        """The CLI waits no more: it had our answer, or an `always` covers this one, too."""
        if event.type in _SETTLED and (told := shape(event, Replied)):
            self._open.withdraw(told.request_id)

    async def _permission(self, prompt_id: str, answer: PermissionAnswer) -> None:
        told = _INTERRUPTED if self._interrupted else answer
        try:
            await self._client.answer_permission(prompt_id, told)
        except Refused as refused:
            log.info("permission_gone", extra={"prompt_id": prompt_id, "reason": str(refused)})

    async def _question(self, prompt_id: str, answer: QuestionAnswer) -> None:
        try:
            await self._client.answer_question(prompt_id, answer.answers)
        except Refused as refused:
            log.info("question_gone", extra={"prompt_id": prompt_id, "reason": str(refused)})
