"""The relay of one agent: events come down one stream, marks go up the same one."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from enum import Enum

import grpc

from gateway.delivery.attempt import Poster
from gateway.delivery.destination import Destination
from gateway.delivery.ticket import unseal
from gateway.errors import SealBroken
from gateway.keyring import Keyring
from gateway.relay.held import HeldBytes
from gateway.relay.links import cancelling
from gateway.relay.marks import Marks, Stream
from gateway.relay.pending import MAX_TURNS, Overrun
from gateway.relay.pods.open_notes import OpenNotes
from gateway.relay.timing import Timing
from gateway.relay.turn import Turn, at_once
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2

log = logging.getLogger(__name__)

MAX_MARKS = 10_000
"""That wait to be written: an agent that reads lets nothing like it come together."""
MAX_REQUEST_ID = 128
"""Characters; what is longer is no turn's."""


class End(Enum):
    """How a relay ended."""

    OVER = "over"
    """One side closed in order. The agent nudges when there is something again."""
    REFUSED = "refused"
    """Another gateway relays this agent."""
    REPLACED = "replaced"
    """The agent took this relay for dead; another one may have its place."""
    STRANGER = "stranger"
    """The agent does not know the token."""
    SILENT = "silent"
    """The agent did not greet."""
    BROKEN = "broken"


_ENDS = {
    grpc.StatusCode.ALREADY_EXISTS: End.REFUSED,
    grpc.StatusCode.ABORTED: End.REPLACED,
    grpc.StatusCode.UNAUTHENTICATED: End.STRANGER,
    grpc.StatusCode.PERMISSION_DENIED: End.STRANGER,
}


class AgentRelay:
    """One stream's life. The task of `run` reads it and owns every other task of it.

    `drained`: the pod under whose UID the agent's journal was drained, once it has greeted.

    Deliveries in flight when the stream breaks are dropped: whoever relays next
    repeats them under the same ids, and no mark ever goes up another stream.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        keyring: Keyring,
        poster: Poster,
        held: HeldBytes,
        timing: Timing,
        greeted: Callable[[], None],
        noted: OpenNotes | None = None,
    ) -> None:
        """`greeted` is called once the agent has told who it is. `noted`: of an agent that may
        vanish with its turns; it is told of all of them."""
        self._agent_id = agent_id
        self._keyring = keyring
        self._poster = poster
        self._held = held
        self._timing = timing
        self._tell_greeted = greeted
        self._noted = noted
        self.drained = ""
        self._marks = Marks(
            gather_s=timing.gather_s,
            longest_gather_s=timing.longest_gather_s,
            alive_s=timing.alive_s,
        )
        self._turns: dict[str, Turn] = {}
        self._deliveries: dict[str, tuple[asyncio.Task[None], Turn]] = {}
        self._stream: Stream | None = None
        self._greeted = False
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def holding(self) -> bool:
        """Whether it may have left something undelivered."""
        return bool(self._turns) or not self._greeted

    @property
    def takes_notes(self) -> bool:
        """Whether turns that stay unsettled are noted outside the agent."""
        return self._noted is not None

    async def run(self, stream: Stream) -> End:
        """Relay until the stream ends, for whatever reason."""
        self._stream = stream
        async with asyncio.TaskGroup() as tasks:
            name = f"relay-marks-{self._agent_id}"
            writer = tasks.create_task(self._marks.run(stream), name=name)
            try:
                end = await self._read(stream, tasks)
            finally:
                self._closing = True
                stream.cancel()
                self._set_timer(None)
                writer.cancel()
                for task, turn in self._deliveries.values():
                    task.cancel()
                    turn.drop()
                for turn in self._turns.values():
                    turn.drop()
        return end

    async def finish(self) -> None:
        """Take nothing more, let posts in flight end, send their marks, close the stream.

        `run` returns soon afterwards.
        """
        self._closing = True
        for request_id in self._deliveries:
            self._leave(request_id)
        if running := [task for task, _ in self._deliveries.values()]:
            await asyncio.wait(running)
        if self._noted is not None:
            await self._noted.marked()
        self._close()

    def leave(self, request_ids: Iterable[str]) -> None:
        """Others end these turns: nothing more of them than what is in flight is posted."""
        for request_id in request_ids:
            self._leave(request_id)
            turn = self._turns.pop(request_id, None)
            if turn is not None and not turn.posting:
                turn.drop()

    async def _read(self, stream: Stream, tasks: asyncio.TaskGroup) -> End:
        try:
            if not await self._greet(stream):
                return End.BROKEN
            self._tell_greeted()
            while isinstance(down := await stream.read(), relay_pb2.RelayDown):
                self._take(down, tasks)
        except grpc.aio.AioRpcError as error:
            return _ENDS.get(error.code(), End.BROKEN)
        except TimeoutError:
            return End.SILENT
        except Overrun as overrun:
            log.error("relay_overrun", extra={"agent": self._agent_id, "of": str(overrun)})  # noqa: TRY400 - no fault of ours
            return End.REPLACED
        except asyncio.CancelledError:
            if cancelling():
                raise
            return End.OVER if self._closing else End.BROKEN
        return End.OVER

    async def _greet(self, stream: Stream) -> bool:
        async with asyncio.timeout(self._timing.hello_s):
            down = await stream.read()
        if isinstance(down, relay_pb2.RelayDown) and down.hello.agent_id == self._agent_id:
            self._greeted, self.drained = True, down.hello.drained
        return self._greeted

    def _take(self, down: relay_pb2.RelayDown, tasks: asyncio.TaskGroup) -> None:
        """Raises Overrun."""
        if self._closing:
            return
        if self._marks.waiting > MAX_MARKS:
            raise Overrun("marks")
        which = down.WhichOneof("message")
        if which == "events":
            self._add(down.events.events, tasks)
        elif which == "turn":
            self._open(down.turn)
        elif which == "idle":
            self._set_timer(self._timing.linger_s)

    def _open(self, opened: relay_pb2.OpenTurn) -> None:
        """Have a turn, in the place of one of an older generation.

        Raises:
            Overrun: the agent has more turns than an agent may.
        """
        self._set_timer(None)
        if replaced := self._turns.get(opened.request_id):
            self._leave(opened.request_id)
            if not replaced.posting:
                replaced.drop()
        elif len(self._turns) >= MAX_TURNS:
            raise Overrun("turns")
        elif len(opened.request_id) > MAX_REQUEST_ID:
            raise Overrun("a request_id")
        destination = self._destination(opened)
        if self._noted is not None and destination is not None:
            self._noted.opened(opened)
        self._turns[opened.request_id] = Turn(
            opened,
            agent_id=self._agent_id,
            destination=destination,
            poster=self._poster,
            marks=self._marks,
            held=self._held,
            settled=at_once if self._noted is None else self._noted.settled,
        )

    def _destination(self, opened: relay_pb2.OpenTurn) -> Destination | None:
        """None for a ticket that no key of ours opens: another gateway may have it."""
        try:
            target = unseal(
                self._keyring,
                opened.ticket,
                agent_id=self._agent_id,
                request_id=opened.request_id,
            )
            return self._poster.destination(target)
        except (SealBroken, ValueError) as error:
            fields = self._fields(opened.request_id)
            log.error("ticket_unusable", extra={**fields, "reason": str(error)})  # noqa: TRY400 - no fault of ours
            return None

    def _add(self, events: Iterable[agent_pb2.AgentResponse], tasks: asyncio.TaskGroup) -> None:
        for event in events:
            turn = self._turns.get(event.request_id)
            if turn is not None:
                turn.add(event)
                self._go_on(turn, tasks)

    def _go_on(self, turn: Turn, tasks: asyncio.TaskGroup) -> None:
        """Deliver what the turn has, once the attempt of the one it replaced has ended."""
        request_id = turn.request_id
        if turn.over:
            self._turns.pop(request_id, None)
        elif turn.ready and request_id not in self._deliveries:
            task = tasks.create_task(turn.run(), name=f"deliver-{self._agent_id}-{request_id}")
            self._deliveries[request_id] = task, turn
            task.add_done_callback(lambda _: self._delivered(request_id, tasks))

    def _delivered(self, request_id: str, tasks: asyncio.TaskGroup) -> None:
        _, delivered = self._deliveries.pop(request_id)
        if delivered is not self._turns.get(request_id):
            delivered.drop()
        if (turn := self._turns.get(request_id)) and not self._closing:
            self._go_on(turn, tasks)

    def _leave(self, request_id: str) -> None:
        """Deliver no more of a turn than what is in flight."""
        if running := self._deliveries.get(request_id):
            task, turn = running
            turn.stop()
            if not turn.posting:
                task.cancel()

    def _set_timer(self, seconds: float | None) -> None:
        """Close after so long; None: not now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._close)

    def _close(self) -> None:
        """Our side, in order; the agent then ends the stream, or we do."""
        self._closing = True
        self._marks.close()
        if self._stream is not None:
            stream = self._stream
            loop = asyncio.get_running_loop()
            self._set_timer(None)
            self._timer = loop.call_later(self._timing.farewell_s, stream.cancel)

    def _fields(self, request_id: str) -> dict[str, object]:
        return {"agent": self._agent_id, "request_id": request_id}
