"""One Connect stream: commands in, the responses of their turns out."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from agent_runtime.errors import (
    Answered,
    Closing,
    Exhausted,
    Invalid,
    NotDrained,
    RuntimeFault,
    TooLate,
    Trimmed,
    UnknownPrompt,
    Unsupported,
)
from agent_runtime.journal.cursor import Cursor
from agent_runtime.journal.journal import Journal
from agent_runtime.turns.command import UnknownCommand, check
from agent_runtime.turns.runner import Runner
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2

MAX_OPEN = 256
"""Turns that one stream follows at a time; beyond, its commands are read later."""


class _Conflict(RuntimeFault):
    """The request_id stands for other content."""


_CODES: dict[type[RuntimeFault], str] = {
    UnknownCommand: "UNKNOWN_COMMAND",
    Invalid: "BAD_REQUEST",
    Unsupported: "UNSUPPORTED",
    UnknownPrompt: "NOT_FOUND",
    Answered: "CONFLICT",
    TooLate: "GONE",
    _Conflict: "CONFLICT",
    Exhausted: "EXHAUSTED",
    Closing: "CLOSING",
    NotDrained: "NOT_DRAINED",
    Trimmed: "GONE",
}


class Conversation:
    """A task that reads commands, and the caller's that writes responses; state is shared
    by both, in one event loop."""

    def __init__(
        self,
        journal: Journal,
        runner: Runner,
        write: Callable[[agent_pb2.AgentResponse], Awaitable[None]],
    ) -> None:
        self._journal = journal
        self._runner = runner
        self._write = write
        self._watch = journal.watch()
        self._open: dict[int, tuple[str, Cursor]] = {}  # request_id, and where it is
        self._refusals: deque[agent_pb2.AgentResponse] = deque()
        self._room = asyncio.Event()
        self._half_closed = False

    async def run(self, requests: AsyncIterator[agent_pb2.AgentRequest]) -> None:
        """Until the client has half-closed and every turn it began has ended."""
        reading = asyncio.create_task(self._read(requests), name="connect-read")
        try:
            while not self._over:
                changed = await self._watch.changed()
                await self._write_refusals()
                for turn in changed & self._open.keys():
                    await self._follow(turn)
                self._room.set()
            await reading
        finally:
            reading.cancel()
            self._watch.close()

    @property
    def _over(self) -> bool:
        return self._half_closed and not self._open and not self._refusals

    async def _read(self, requests: AsyncIterator[agent_pb2.AgentRequest]) -> None:
        try:
            async for request in requests:
                await self._begin(request)
                while len(self._open) + len(self._refusals) >= MAX_OPEN:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._half_closed = True
            self._watch.note(0)

    async def _begin(self, request: agent_pb2.AgentRequest) -> None:
        try:
            accepted = await self._runner.submit(check(request))
            if accepted.result == relay_pb2.SubmitResponse.RESULT_CONFLICT:
                raise _Conflict(f"request_id {request.request_id} was used for other content")
            if accepted.turn.ended and accepted.turn.trimmed_seq >= accepted.turn.final_seq:
                raise Trimmed("this turn has ended; its events are not kept any more")
        except RuntimeFault as fault:
            self._refusals.append(_refusal(request.request_id, fault))
            self._watch.note(0)
        else:
            turn = accepted.turn.turn
            self._open[turn] = (
                accepted.turn.request_id,
                self._journal.cursor(turn, None, whole=True),
            )
            self._watch.note(turn)

    async def _write_refusals(self) -> None:
        while self._refusals:
            await self._write(self._refusals.popleft())

    async def _follow(self, turn: int) -> None:
        """A client that reads so slowly that events have gone is told, not kept for ever."""
        request_id, cursor = self._open[turn]
        try:
            await self._write_turn(turn, cursor)
        except Trimmed as gap:
            del self._open[turn]
            await self._write(_refusal(request_id, gap))

    async def _write_turn(self, turn: int, cursor: Cursor) -> None:
        while rows := cursor.take():
            for row in rows:
                response = row.response
                await self._write(response)
                if response.is_final:
                    del self._open[turn]
                    return


def _refusal(request_id: str, fault: RuntimeFault) -> agent_pb2.AgentResponse:
    """The answer to a command that was not accepted; seq 0, for it is not journalled."""
    code = next((code for kind, code in _CODES.items() if isinstance(fault, kind)), "UNAVAILABLE")
    return agent_pb2.AgentResponse(
        request_id=request_id,
        timestamp=time.time_ns() // 1_000_000,
        error=agent_pb2.ErrorPayload(code=code, message=str(fault)),
        is_final=True,
        outcome=agent_pb2.OUTCOME_FAILED,
    )
