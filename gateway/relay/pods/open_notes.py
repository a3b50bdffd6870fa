"""Open notes: the turns of one agent that this gateway answers for, written on its pod."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from gateway.errors import Exhausted, GatewayError, NotFound, Unavailable
from gateway.launchers.notes import Edit, Note, Notes, PodNotes
from gateway.relay.pending import MAX_TURNS, Overrun
from gateway.relay.pods.claims import unix_ms
from gateway.relay.timing import Timing
from proto.relay.v1 import relay_pb2

log = logging.getLogger(__name__)

Mark = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Held:
    """A turn that is not settled. `due_s`: when it wants a note, on the loop's clock."""

    ticket: bytes = field(repr=False)
    generation: int
    due_s: float


class OpenNotes:
    """Knows what is unsettled, and notes what stays so; event loop only.

    The relay tells of turns that are opened and settled. A turn that is settled before
    it is due costs an entry in a dict. One task, which lives only while there is
    something to write, writes everything that is due as one change.
    """

    def __init__(
        self, agent_id: str, notes: Notes, *, timing: Timing, gone: Callable[[], None]
    ) -> None:
        """`gone` is called when the pod turns out not to be there any more."""
        self._agent_id = agent_id
        self._notes = notes
        self._timing = timing
        self._tell_gone = gone
        self._held: dict[str, Held] = {}
        self._written: set[str] = set()
        self._leaving: dict[str, Mark | None] = {}
        self._in_flight: Collection[str] = ()
        self._changes = False
        self._has_room = True
        self._trouble = ""
        self._not_before_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._no_mark_waits = asyncio.Event()
        self._no_mark_waits.set()

    @property
    def held(self) -> Mapping[str, Held]:
        """What is unsettled, by request_id."""
        return self._held

    @property
    def idle(self) -> bool:
        """Whether there is nothing to know here."""
        return not (self._held or self._leaving or self._writer)

    @property
    def all_noted(self) -> bool:
        """Whether another gateway finds all of it on the pod."""
        pod = self._notes.of(self._agent_id)
        return all(self._is_noted(name, pod) for name in self._held)

    def accepted(self, request_id: str, ticket: bytes) -> None:
        """The agent has taken a turn that no relay knows yet."""
        if len(self._held) < MAX_TURNS:
            due_s = self._now() + self._timing.note_after_s
            self._held.setdefault(request_id, Held(ticket, 1, due_s))
            self._arm()

    def opened(self, turn: relay_pb2.OpenTurn) -> None:
        """The agent has something undelivered of this turn, or has begun it anew.

        Raises:
            Overrun: the agent has more turns than an agent may.
        """
        if len(self._held) >= MAX_TURNS and turn.request_id not in self._held:
            raise Overrun("unsettled turns")
        self._send(self._leaving.pop(turn.request_id, None))  # of an older generation
        # A redelivery begins now, however old its turn is.
        age_s = turn.age_ms / 1000 if turn.generation <= 1 else 0.0
        due_s = self._now() + max(self._timing.note_after_s - max(age_s, 0.0), 0.0)
        self._held[turn.request_id] = Held(turn.ticket, turn.generation, due_s)
        if self._timer is not None and due_s < self._timer.when():
            self._timer.cancel()
            self._timer = None
        self._arm()

    def settled(self, request_id: str, mark: Mark) -> None:
        """Nothing more is to be delivered: `mark` tells the agent so, once there is no note."""
        self._held.pop(request_id, None)
        if not self._may_be_noted(request_id):
            mark()
            return
        self._leaving[request_id] = mark
        self._no_mark_waits.clear()
        asyncio.get_running_loop().call_later(
            self._timing.unnoted_s, self._let_go, request_id, mark
        )
        self._write_soon()

    def forget(self, request_ids: Collection[str] | None = None) -> None:
        """Somebody else answers for these turns; None: for all."""
        for name in list(self._held) if request_ids is None else request_ids:
            self._held.pop(name, None)

    async def marked(self) -> None:
        """Wait until no mark waits for its note to go: bounded by the marks' own patience."""
        await self._no_mark_waits.wait()

    async def close(self) -> None:
        """Write nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait({self._writer})

    def _arm(self) -> None:
        """Look again when the first unnoted turn is due. One timer, whatever the number."""
        if self._timer is not None or self._writer is not None:
            return
        pod = self._notes.of(self._agent_id)
        due = [held.due_s for name, held in self._held.items() if not self._is_noted(name, pod)]
        if due:
            at_s = max(min(due), self._not_before_s)
            self._timer = asyncio.get_running_loop().call_at(at_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._due(self._notes.of(self._agent_id)):
            self._write_soon()
        else:  # it may not be noted as things are
            self._not_before_s = self._now() + self._timing.note_gather_s
            self._arm()

    def _write_soon(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name=f"notes-{self._agent_id}")
            self._writer.add_done_callback(self._written_all)

    def _written_all(self, task: asyncio.Task[None]) -> None:
        self._writer = None
        if task.cancelled():
            return
        if error := task.exception():
            log.error("notes_died", extra={"agent": self._agent_id}, exc_info=error)
        else:
            self._arm()

    async def _write(self) -> None:
        """Until nothing is due."""
        while self._leaving or self._due(self._notes.of(self._agent_id)):
            pause_s = self._timing.unnoted_s / 2
            try:
                pod = await self._notes.edit(self._agent_id, self._decide)
            except NotFound:
                self._vanished()
                return
            except Exhausted as error:
                self._told_late(error)
                if self._has_room and self._leaving:
                    pause_s = 0.0  # what goes makes room
                self._has_room = False
            except Unavailable as error:
                self._told_late(error)
            else:
                if self._wrote(pod):
                    continue
            await asyncio.sleep(pause_s)

    def _decide(self, pod: PodNotes) -> Edit | None:
        put = self._to_put(pod) if self._has_room else []
        drop = [name for name in self._leaving if name in pod.notes]
        self._in_flight = [note.request_id for note in put]
        self._changes = bool(put or drop)
        return Edit(put=put, drop=drop) if self._changes else None

    def _told_late(self, error: GatewayError) -> None:
        self._in_flight = ()
        if str(error) != self._trouble:  # said once: it is tried every few seconds
            log.warning("notes_late", extra={"agent": self._agent_id, "reason": str(error)})
        self._trouble = str(error)

    def _to_put(self, pod: PodNotes) -> list[Note]:
        now_ms = unix_ms()
        return [
            Note(
                request_id=name,
                kind="open",
                sealed=held.ticket,
                arrived_ms=pod.notes[name].arrived_ms if name in pod.notes else now_ms,
                generation=held.generation,
            )
            for name, held in self._due(pod).items()
            if name not in pod.notes or not pod.notes[name].claim
        ]

    def _due(self, pod: PodNotes | None) -> dict[str, Held]:
        if pod is not None and (pod.keeps_journal or pod.fate == "lost"):
            return {}
        until_s = self._now() + self._timing.note_gather_s
        return {
            name: held
            for name, held in self._held.items()
            if held.due_s <= until_s and not self._is_noted(name, pod)
        }

    def _is_noted(self, request_id: str, pod: PodNotes | None) -> bool:
        """As far as it wants to be: under this ticket or a later one, unless it is being ended."""
        note = pod.notes.get(request_id) if pod is not None else None
        if note is None:
            return request_id in self._written
        held = self._held.get(request_id)
        if note.claim is not None or held is None:
            return True
        return note.sealed == held.ticket or note.generation > held.generation

    def _may_be_noted(self, request_id: str) -> bool:
        pod = self._notes.of(self._agent_id)
        noted = pod is not None and request_id in pod.notes
        return noted or request_id in self._written or request_id in self._in_flight

    def _wrote(self, pod: PodNotes) -> bool:
        """Take what the pod carries now; whether that changed anything."""
        left, self._in_flight, self._has_room, self._trouble = len(self._leaving), (), True, ""
        self._written = {name for name in (*self._held, *self._leaving) if name in pod.notes}
        for name, mark in list(self._leaving.items()):
            if name not in pod.notes:
                del self._leaving[name]
                self._send(mark)
        return self._changes or len(self._leaving) < left

    def _vanished(self) -> None:
        """Whoever is told ends what is held; until that is seen here nothing is asked again."""
        self._in_flight = ()
        self._not_before_s = self._now() + self._timing.unnoted_s
        leaving = list(self._leaving.values())
        self._leaving.clear()
        for mark in leaving:
            self._send(mark)
        self._tell_gone()

    def _let_go(self, request_id: str, mark: Mark) -> None:
        """The note would not go in time; it is still to be removed."""
        if self._leaving.get(request_id) is mark:
            self._leaving[request_id] = None
            self._send(mark)

    def _send(self, mark: Mark | None) -> None:
        if mark is not None:
            mark()
        if not any(self._leaving.values()):
            self._no_mark_waits.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
