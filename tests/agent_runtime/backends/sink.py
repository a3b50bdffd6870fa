"""A TurnSink that remembers, and that a test can hold up."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

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
from agent_runtime.model import BackendEvent, Kind
from agent_runtime.turns.permissions import UNATTENDED, decide, unanswered
from agent_runtime.turns.policy import Policy

A = TypeVar("A")


@dataclass(frozen=True)
class Later(Generic[A]):
    """Answers once the answer is wanted."""

    answer: Callable[[], Coroutine[Any, Any, A]]

    def withdraw(self) -> None:
        """Nobody was told of it."""


class RecordingSink:
    """`open` lets events in; cleared, `emit` waits as it does while a journal is full.

    `hold_at`: closes itself in front of the first event of that kind. `mode` answers
    what is asked.
    """

    def __init__(
        self,
        hold_at: Kind | None = None,
        mode: PermissionMode = PermissionMode.ACCEPT_EDITS,
    ) -> None:
        self.mode = mode
        self.asked: list[PermissionAsk | QuestionAsk] = []
        self._hold_at = hold_at
        self.events: list[BackendEvent] = []
        self.sessions: list[str] = []
        self.bookmarks: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0
        self._changed = asyncio.Condition()

    async def emit(self, event: BackendEvent) -> None:
        self.waiting += 1
        if event.kind is self._hold_at:
            self._hold_at = None
            self.open.clear()
        async with self._changed:
            self._changed.notify_all()
        await self.open.wait()
        self.waiting -= 1
        self.events.append(event)
        async with self._changed:
            self._changed.notify_all()

    async def permission(
        self, event: BackendEvent, ask: PermissionAsk
    ) -> Pending[PermissionAnswer]:
        await self.emit(event)
        self.asked.append(ask)
        return Later(lambda: self.decide(ask))

    async def question(self, event: BackendEvent, ask: QuestionAsk) -> Pending[QuestionAnswer]:
        await self.emit(event)
        self.asked.append(ask)
        return Later(lambda: self.choose(ask))

    async def decide(self, ask: PermissionAsk) -> PermissionAnswer:
        return decide(ask, Policy(), self.mode) or unanswered(ask, Policy())

    async def choose(self, ask: QuestionAsk) -> QuestionAnswer:
        return QuestionAnswer.same(ask, UNATTENDED)

    async def session(self, session_id: str) -> None:
        self.sessions.append(session_id)

    async def bookmark(self, place: str) -> None:
        self.bookmarks.append(place)

    async def until(self, condition: Callable[[], bool], *, limit_s: float = 30) -> None:
        """Wait until the events seen so far make it true."""
        async with asyncio.timeout(limit_s), self._changed:
            await self._changed.wait_for(condition)

    async def until_said(self, text: str) -> None:
        """Wait until the streamed text contains this."""
        await self.until(lambda: text in self.said)

    def of(self, kind: Kind) -> list[BackendEvent]:
        return [event for event in self.events if event.kind is kind]

    def data(self, kind: Kind) -> list[dict[str, Any]]:
        return [msgspec.json.decode(event.data_json) for event in self.of(kind)]

    def finished(self, tool: str) -> dict[str, Any]:
        """The end of the only call of that tool."""
        (data,) = [data for data in self.data(Kind.TOOL_FINISHED) if data["tool"] == tool]
        return data

    @property
    def said(self) -> str:
        """All streamed text, joined."""
        return "".join(data["text"] for data in self.data(Kind.TEXT_DELTA))


class PatientSink(RecordingSink):
    """Whoever is asked for a permission never answers."""

    async def decide(self, ask: PermissionAsk) -> PermissionAnswer:
        await asyncio.Event().wait()
        raise AssertionError(ask)


class AlwaysSink(RecordingSink):
    """Allows what is asked for, for ever."""

    async def decide(self, _: PermissionAsk) -> PermissionAnswer:
        return PermissionAnswer(decision=Decision.ALWAYS)


class ChoosingSink(RecordingSink):
    """Gives these answers to the questions, in order."""

    def __init__(
        self, *answers: tuple[str, ...], mode: PermissionMode = PermissionMode.ACCEPT_EDITS
    ) -> None:
        super().__init__(mode=mode)
        self._answers = answers

    async def choose(self, _: QuestionAsk) -> QuestionAnswer:
        return QuestionAnswer(self._answers)
