"""Claims: which gateway acts on a note. Decisions on a pod as it is; no I/O here.

A claim is made by a change that only succeeds if the pod has not changed since, so of
two gateways that decide alike one finds the other's.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.launchers.notes import Claim, Note, PodNotes

LASTS_MS = 60_000
"""A claim that was not renewed for so long may be taken: its holder is gone."""
DRAIN_LASTS_MS = 10_000
"""The same for submitting, by another who submits: that twice does no harm."""
AT_ONCE = 32
"""Notes that are claimed together: claims need room, too."""
MAX_MESSAGE_BYTES = 400
"""Of a reason; conditions of pods can be long."""
MESSAGES_BYTES = 16 * 1024
"""Of the reasons of all turns that a pod may lose: there is room for every claim."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Why turns have no other end: the error of their finals."""

    code: str
    message: str
    apart: bool = False
    """The pod lives on: only this turn is lost."""


def unix_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Claims:
    """One gateway's. `holder` names it among all gateways, now and later."""

    holder: str
    clock_ms: Callable[[], int] = unix_ms

    def to_submit(self, pod: PodNotes) -> list[Note] | None:
        """The waiting notes, claimed, in order of arrival; None: another submits them."""
        waiting = [note for note in in_order(pod) if note.kind == "waiting" and not note.doomed]
        if not all(self._free(note.claim, DRAIN_LASTS_MS) for note in waiting):
            return None
        claim = Claim(holder=self.holder, renewed_ms=self.clock_ms())
        return [replace(note, claim=claim) for note in waiting]

    def to_end(
        self,
        pod: PodNotes,
        losses: Mapping[str, Loss],
        *,
        unnoted: Sequence[Note] = (),
        most: int = AT_ONCE,
    ) -> list[Note]:
        """Of the notes in `losses`, those whose finals are due here and now, claimed.

        `unnoted`: what would be noted on a pod that is lost, and is ended with the rest.
        """
        noted = [pod.notes[name] for name in losses if name in pod.notes]
        due = [(note, losses[note.request_id]) for note in noted if self._due(note)]
        due += [(note, _gone(pod)) for note in unnoted]
        share_bytes = MESSAGES_BYTES // max(len(pod.notes) + len(unnoted), 1)
        return [
            self.ending(note, replace(loss, message=_cut(loss.message, share_bytes)))
            for note, loss in due[:most]
        ]

    def mine(self, note: Note | None) -> bool:
        """Whether this gateway still holds it."""
        return note is not None and note.claim is not None and note.claim.holder == self.holder

    def _due(self, note: Note) -> bool:
        if not self._free(note.claim, LASTS_MS):
            return False
        return note.claim is None or note.claim.not_before_ms <= self.clock_ms()

    def _free(self, claim: Claim | None, lasts_ms: int) -> bool:
        if claim is None or claim.holder == self.holder:
            return True
        if claim.code:
            lasts_ms = LASTS_MS
        return self.clock_ms() - claim.renewed_ms >= lasts_ms

    def ending(self, note: Note, loss: Loss) -> Note:
        """What was decided once stays: whoever repeats a final sends the same bytes."""
        now_ms = self.clock_ms()
        if note.claim is not None and note.claim.code:
            claim = replace(note.claim, holder=self.holder, renewed_ms=now_ms)
        else:
            claim = Claim(
                holder=self.holder,
                renewed_ms=now_ms,
                code=loss.code,
                message=_cut(loss.message, MAX_MESSAGE_BYTES),
                at_ms=now_ms,
                apart=loss.apart,
            )
        return replace(note, claim=claim)


def in_order(pod: PodNotes) -> list[Note]:
    """By arrival."""
    return sorted(pod.notes.values(), key=lambda note: (note.arrived_ms, note.request_id))


def losses(pod: PodNotes) -> dict[str, Loss]:
    """Which noted turns have no other end than one from here, and why."""
    lost = {name: _decided(note) for name, note in pod.notes.items() if note.doomed}
    if pod.fate == "lost" and not pod.keeps_journal:  # else the next pod has what waits
        return {name: lost.get(name) or _gone(pod) for name in pod.notes}
    if pod.fate == "start_failed":
        waiting = [name for name, note in pod.notes.items() if note.kind == "waiting"]
        return lost | {name: lost.get(name) or _not_started(pod) for name in waiting}
    return lost


def bars_relay(pod: PodNotes) -> bool:
    """Whether nobody is to attach a relay: some of its turns are being ended from here."""
    return any(
        note.kind == "open" and note.claim is not None and note.doomed and not note.claim.apart
        for note in pod.notes.values()
    )


def claimed_by_others(pod: PodNotes, holder: str) -> Sequence[str]:
    """Turns whose finals another gateway sends."""
    return [
        name
        for name, note in pod.notes.items()
        if note.claim is not None and note.doomed and note.claim.holder != holder
    ]


def next_due_ms(notes: Iterable[Note]) -> int | None:
    """When the first of these finals may be tried again."""
    return min((note.claim.not_before_ms for note in notes if note.claim), default=None)


def _decided(note: Note) -> Loss:
    assert note.claim is not None
    return Loss(note.claim.code, note.claim.message, note.claim.apart)


def _gone(pod: PodNotes) -> Loss:
    return Loss("AGENT_LOST", _because("the agent's pod is gone", pod))


def _not_started(pod: PodNotes) -> Loss:
    return Loss("AGENT_START_FAILED", _because("the agent's pod did not start in time", pod))


def _cut(message: str, most_bytes: int) -> str:
    return message.encode()[:most_bytes].decode(errors="ignore")


def _because(what: str, pod: PodNotes) -> str:
    why = ": ".join(filter(None, (pod.reason, pod.message)))
    return f"{what}: {why}" if why else what
