"""Notes: what a gateway has written on an agent's pod, so that it outlives both.

A launcher whose agents may vanish with their journals (pods) offers them; one whose
agents keep their journals (`local`) has none. The facts here are all that the relay
knows of a pod; how they are stored is the launcher's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

NoteKind = Literal["waiting", "open"]
Fate = Literal["living", "ending", "lost", "start_failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That one gateway acts on a note, and what it has decided; others keep off meanwhile.

    Without a `code` it submits a waiting note. With one it sends the turn's final, and
    whoever takes over repeats exactly that: same code, message and time.

    Attributes:
        holder: which gateway.
        renewed_ms: Unix ms of its last sign of life.
        code, message, at_ms: the final's error and time (Unix ms).
        attempts, first_failure_ms: posts of the final that failed, since when (0: none).
        not_before_ms: the next one is not due earlier.
        apart: only this turn is lost; the pod lives and goes on being relayed.
    """

    holder: str
    renewed_ms: int
    code: str = ""
    message: str = ""
    at_ms: int = 0
    attempts: int = 0
    first_failure_ms: int = 0
    not_before_ms: int = 0
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One turn that a pod may owe its final.

    Attributes:
        kind: waiting: the message itself, for a pod that has not been ready; open: a
            turn in the pod's journal.
        sealed: waiting: the sealed command; open: the ticket. ASCII.
        digest: of the command, hex; "" once it is open.
        arrived_ms: Unix ms; waiting ones are submitted in this order.
        generation: the delivery generation that an open note's ticket belongs to.
    """

    request_id: str
    kind: NoteKind
    sealed: bytes = field(repr=False)
    arrived_ms: int
    digest: str = ""
    generation: int = 1
    claim: Claim | None = None

    @property
    def doomed(self) -> bool:
        """Whether its final is being sent from here: the turn itself tells nothing more."""
        return self.claim is not None and bool(self.claim.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNotes:
    """One pod at one moment, as far as its notes are concerned.

    Attributes:
        key_id: the gateway key that the agent's tokens derive from.
        created_ms: Unix ms.
        drained: no message waits outside the pod's journal any more.
        answers: its gRPC has answered since its container started.
        keeps_journal: the journal is on a volume that outlives the pod; so do messages
            that wait: the launcher hands them on to the next pod.
        fate: ending: deleted, its grace period runs. lost: in a terminal phase, or
            deleted and the grace period is over. start_failed: it has never been ready
            within the start deadline.
        reason, message: why it is not well, in words; "" when it is.
        notes: by request_id.
    """

    agent_id: str
    pod_uid: str
    key_id: str
    created_ms: int
    drained: bool
    answers: bool
    keeps_journal: bool
    fate: Fate
    reason: str = ""
    message: str = ""
    notes: Mapping[str, Note] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of a pod's notes. `put` replaces notes of the same request_id.

    `drained`: from now on messages go to the pod's journal alone.
    """

    put: Sequence[Note] = ()
    drop: Sequence[str] = ()
    drained: bool = False


Decide = Callable[[PodNotes], Edit | None]
"""What to change of exactly this state; None: nothing. Called again when it was not the last
one, so it must not act. It may raise a GatewayError, which ends the edit."""


class Notes(Protocol):
    """The notes of all pods. Event loop only."""

    def of(self, agent_id: str) -> PodNotes | None:
        """From the cache; None: there is no such pod (any more)."""
        ...

    def noted(self) -> Sequence[str]:
        """Agents whose pods carry notes, or are not drained yet."""
        ...

    async def edit(self, agent_id: str, decide: Decide) -> PodNotes:
        """Change a pod's notes if it is still as it was when that was decided; what it is now.

        The pod cannot vanish while it carries notes, and is free of that with the last one.

        Raises:
            NotFound: there is no such pod, or it is being deleted and carries no note:
                it will vanish whatever is written.
            Exhausted: there is no room for more notes.
            Unavailable: they cannot be changed now; whether they were is not known.
        """
        ...

    def watch(self, changed: Callable[[str], None]) -> None:
        """From now on `changed` is told every agent whose pod changed, vanished or answered.

        Called from the event loop; it must return at once. There is one watcher.
        """
        ...
