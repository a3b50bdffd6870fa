"""What is answered when the backend asks in the middle of a turn."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import msgspec

from agent_runtime.backends.asks import (
    Decision,
    Pending,
    PermissionAnswer,
    PermissionAsk,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.journal.rows import Prompt, PromptKind, PromptState
from agent_runtime.journal.statements import now_ms
from agent_runtime.turns.clock import TurnClock
from agent_runtime.turns.permissions import INTERRUPTED, UNATTENDED, decide, unanswered
from agent_runtime.turns.policy import QUESTION, Action, Policy
from agent_runtime.turns.waiting import Expected, Waiting
from proto.agent.v1.agent_pb2 import ReplyRequest

MAX_DATA_BYTES = 64 * 1024
"""Of a prompt that is listed; of a larger one the input is left out. Its event has it all."""
MAX_RULES = 1024
"""Of one turn: its own, the agent's, and those of messages that joined it."""

_REJECTED = "The user rejected it."


A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Asked(Generic[A]):
    """`prompt`: to be journalled with the event that asks, which is what makes it known."""

    prompt: Prompt
    pending: Pending[A]


@dataclass(frozen=True, slots=True)
class _Settled(Generic[A]):
    """Nobody is asked."""

    told: A

    async def answer(self) -> A:
        return self.told

    def withdraw(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Open(Generic[A]):
    """The user is asked, for at most `patience_s`; meanwhile the turn's clock stands still."""

    expected: Expected
    patience_s: float
    clock: TurnClock
    told: Callable[[ReplyRequest], A]
    untold: Callable[[], A]

    async def answer(self) -> A:
        with self.clock.stopped():
            reply = await self.expected.reply(within_s=self.patience_s)
        return self.untold() if reply is None else self.told(reply)

    def withdraw(self) -> None:
        self.expected.withdraw()


class Consent:
    """Of one turn. The backend's tasks ask, several at once; the runner's task gives up.

    A reply to a prompt that nobody is asked will be told so.
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

    def heed(self, policy: Policy) -> bool:
        """Put it first in what is asked from now on; False: too many are in force already."""
        both = policy.over(self._policy)
        if len(both.rules) > MAX_RULES:
            return False
        self._policy = both
        return True

    def give_up(self) -> None:
        """The turn is to end: whoever waits is refused."""
        self._given_up.set()

    def permission(self, ask: PermissionAsk) -> Asked[PermissionAnswer]:
        prompt = self._prompt(ask.prompt_id, PromptKind.PERMISSION, ask.data_json)
        policy = self._policy

        def untold() -> PermissionAnswer:
            return INTERRUPTED if self._given_up.is_set() else unanswered(ask, policy)

        return self._asked(prompt, decide(ask, policy, self._mode), told=_told, untold=untold)

    def question(self, ask: QuestionAsk) -> Asked[QuestionAnswer]:
        prompt = self._prompt(ask.prompt_id, PromptKind.QUESTION, ask.data_json)
        unattended = QuestionAnswer.same(ask, UNATTENDED)
        denied = self._policy.action(QUESTION) is Action.DENY
        return self._asked(
            prompt, unattended if denied else None, told=_chosen, untold=lambda: unattended
        )

    def _asked(
        self,
        prompt: Prompt,
        decided: A | None,
        *,
        told: Callable[[ReplyRequest], A],
        untold: Callable[[], A],
    ) -> Asked[A]:
        if self._given_up.is_set():
            return Asked(replace(prompt, state=PromptState.ENDED), _Settled(untold()))
        if decided is not None or self._waiting.full:
            answer = untold() if decided is None else decided
            return Asked(replace(prompt, state=PromptState.DECIDED), _Settled(answer))
        expected = self._waiting.expect(prompt.prompt_id, self._given_up)
        return Asked(prompt, _Open(expected, self._policy.patience_s, self._clock, told, untold))

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


def _chosen(reply: ReplyRequest) -> QuestionAnswer:
    return QuestionAnswer(tuple(tuple(one.answers) for one in reply.answers))


def _bounded(data: bytes) -> bytes:
    if len(data) <= MAX_DATA_BYTES:
        return data
    fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    fields.pop("input", None)
    return msgspec.json.encode(fields)
