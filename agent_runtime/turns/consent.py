"""What is answered when the backend asks in the middle of a turn."""

import asyncio

import msgspec

from agent_runtime.backends.asks import (
    Decision,
    PermissionAnswer,
    PermissionAsk,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.journal.rows import Prompt, PromptKind
from agent_runtime.journal.statements import now_ms
from agent_runtime.turns.clock import TurnClock
from agent_runtime.turns.permissions import INTERRUPTED, UNATTENDED, decide, unanswered
from agent_runtime.turns.policy import QUESTION, Action, Policy
from agent_runtime.turns.waiting import Waiting
from proto.agent.v1.agent_pb2 import ReplyRequest

MAX_DATA_BYTES = 64 * 1024
"""Of a prompt that is listed; of a larger one the input is left out. Its event has it all."""

_REJECTED = "The user rejected it."


class Consent:
    """Of one turn. The backend's tasks ask, several at once; the runner's task gives up.

    While anything waits for the user the turn's clock stands still: the wait has a
    limit of its own.
    """

    def __init__(
        self, *, turn: int, policy: Policy, mode: PermissionMode, waiting: Waiting, clock: TurnClock
    ) -> None:
        self._turn = turn
        self._policy = policy
        self._mode = mode
        self._waiting = waiting
        self._clock = clock
        self._given_up = asyncio.Event()

    def give_up(self) -> None:
        """The turn is to end: whoever waits is refused."""
        self._given_up.set()

    async def permission(self, ask: PermissionAsk) -> PermissionAnswer:
        if self._given_up.is_set():
            return INTERRUPTED
        prompt = self._prompt(ask.prompt_id, PromptKind.PERMISSION, ask.data_json)
        decided = decide(ask, self._policy, self._mode)
        if decided is not None or self._waiting.full:
            await self._waiting.decided(prompt)
            return decided or unanswered(ask, self._policy)
        reply = await self._ask(prompt)
        if reply is not None:
            return _told(reply)
        return INTERRUPTED if self._given_up.is_set() else unanswered(ask, self._policy)

    async def question(self, ask: QuestionAsk) -> QuestionAnswer:
        unattended = QuestionAnswer.same(ask, UNATTENDED)
        if self._given_up.is_set():
            return unattended
        prompt = self._prompt(ask.prompt_id, PromptKind.QUESTION, ask.data_json)
        if self._policy.action(QUESTION) is Action.DENY or self._waiting.full:
            await self._waiting.decided(prompt)
            return unattended
        reply = await self._ask(prompt)
        if reply is None:
            return unattended
        return QuestionAnswer(tuple(tuple(one.answers) for one in reply.answers))

    async def _ask(self, prompt: Prompt) -> ReplyRequest | None:
        with self._clock.stopped():
            return await self._waiting.reply(
                prompt, within_s=self._policy.patience_s, given_up=self._given_up
            )

    def _prompt(self, prompt_id: str, kind: PromptKind, data: bytes) -> Prompt:
        now = now_ms()
        return Prompt(
            prompt_id=prompt_id,
            turn=self._turn,
            kind=kind,
            data=_bounded(data),
            asked_ms=now,
            expires_ms=now + int(self._policy.patience_s * 1000),
        )


def _told(reply: ReplyRequest) -> PermissionAnswer:
    decision = Decision(reply.decision)
    message = reply.message or (_REJECTED if decision is Decision.REJECT else "")
    return PermissionAnswer(decision=decision, message=message)


def _bounded(data: bytes) -> bytes:
    if len(data) <= MAX_DATA_BYTES:
        return data
    fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    fields.pop("input", None)
    return msgspec.json.encode(fields)
