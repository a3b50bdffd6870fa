"""A TurnSink that remembers, and that a test can hold up."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from agent_runtime.backends.asks import (
    Decision,
    PermissionAnswer,
    PermissionAsk,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.model import BackendEvent, Kind
from agent_runtime.turns.permissions import UNATTENDED, decide, unanswered
from agent_runtime.turns.policy import Policy


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

    async def permission(self, ask: PermissionAsk) -> PermissionAnswer:
        self.asked.append(ask)
        return decide(ask, Policy(), self.mode) or unanswered(ask, Policy())

    async def question(self, ask: QuestionAsk) -> QuestionAnswer:
        self.asked.append(ask)
        return QuestionAnswer.same(ask, UNATTENDED)

    async def session(self, session_id: str) -> None:
        self.sessions.append(session_id)

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

    async def permission(self, ask: PermissionAsk) -> PermissionAnswer:
        self.asked.append(ask)
        await asyncio.Event().wait()
        raise AssertionError


class AlwaysSink(RecordingSink):
    """Allows what is asked for, for ever."""

    async def permission(self, ask: PermissionAsk) -> PermissionAnswer:
        self.asked.append(ask)
        return PermissionAnswer(decision=Decision.ALWAYS)


class ChoosingSink(RecordingSink):
    """Gives these answers to the questions, in order."""

    def __init__(
        self, *answers: tuple[str, ...], mode: PermissionMode = PermissionMode.ACCEPT_EDITS
    ) -> None:
        super().__init__(mode=mode)
        self._answers = answers

    async def question(self, ask: QuestionAsk) -> QuestionAnswer:
        self.asked.append(ask)
        return QuestionAnswer(self._answers)
