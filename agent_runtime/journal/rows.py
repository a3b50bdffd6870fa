"""What the journal's rows look like to the rest of the runtime. Frozen."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from agent_runtime.model import Outcome
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2

MAX_PARK_MS = 2 * 3600 * 1000
"""A longer wait is cut: twice the longest that a receiver may ask for."""

OUTCOMES = {
    Outcome.COMPLETED: agent_pb2.OUTCOME_COMPLETED,
    Outcome.INTERRUPTED: agent_pb2.OUTCOME_INTERRUPTED,
    Outcome.FAILED: agent_pb2.OUTCOME_FAILED,
    Outcome.TIMED_OUT: agent_pb2.OUTCOME_TIMED_OUT,
    Outcome.LOST: agent_pb2.OUTCOME_LOST,
}


class CommandKind(IntEnum):
    """Which command a turn is. The numbers are agent.v1.AgentRequest's field numbers."""

    MESSAGE = 2
    INTERRUPT = 3
    SET_PERMISSION_MODE = 4
    SET_MODEL = 5
    REPLY = 16
    NEW_SESSION = 17
    SET_POLICY = 18

    @property
    def queued(self) -> bool:
        """Whether it waits for the turns before it; the others run beside the queue."""
        return self in (CommandKind.MESSAGE, CommandKind.NEW_SESSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A checked command, ready to be journalled.

    `request` is what was asked, with request_id; of an interrupt with its target
    filled in by the journal. `digest` is the SHA-256 that tells repeats from conflicts.
    `kinds`: globs of the event kinds to deliver, empty for all. `waited`: it comes from
    outside the journal, where it waited for this agent.
    """

    request: agent_pb2.AgentRequest
    kind: CommandKind
    digest: bytes
    ticket: bytes | None = field(repr=False)
    kinds: tuple[str, ...] = ()
    coalesce_ms: int = 0
    waited: bool = False


class PromptKind(IntEnum):
    PERMISSION = 1
    QUESTION = 2

    @property
    def word(self) -> str:
        return self.name.lower()


class PromptState(IntEnum):
    OPEN = 0
    ANSWERED = 1
    DECIDED = 2
    """By the policy or the permission mode: nobody was asked."""
    EXPIRED = 3
    ENDED = 4
    """With its turn, or withdrawn by the CLI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the backend asks. `data`: that of its event, without what is large."""

    prompt_id: str
    turn: int
    kind: PromptKind
    data: bytes
    asked_ms: int
    expires_ms: int
    state: PromptState = PromptState.OPEN


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The workspace while no turn ran. Numbers count from 1, without gaps."""

    number: int
    tree: str
    taken_ms: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of a command: the turn it made, or the one that was there before."""

    result: "relay_pb2.SubmitResponse.Result.ValueType"
    turn: "Turn"


@dataclass(frozen=True, slots=True)
class Turn:
    """One row of `turns`, as it was when it was read; without its command, which may be large.

    `attempts` are those that failed of the
    event after the mark; `kinds` are globs with a space between them.
    """

    COLUMNS = (
        "turn, request_id, kind, digest, ticket, state, outcome, created_ms, "
        "first_seq, last_seq, final_seq, acked_seq, trimmed_seq, generation, abandoned, settled, "
        "attempts, first_failure_ms, next_attempt_ms, last_status, last_error, kinds, coalesce_ms"
    )

    turn: int
    request_id: str
    kind: CommandKind
    digest: bytes
    ticket: bytes | None = field(repr=False)
    state: "relay_pb2.TurnState.ValueType"
    outcome: "agent_pb2.Outcome.ValueType"
    created_ms: int
    first_seq: int
    last_seq: int
    final_seq: int
    acked_seq: int
    trimmed_seq: int
    generation: int
    abandoned: str | None
    settled: bool
    attempts: int
    first_failure_ms: int
    next_attempt_ms: int
    last_status: int
    last_error: str
    kinds: str
    coalesce_ms: int

    @classmethod
    def read(cls, row: tuple[object, ...]) -> Self:
        turn = cls(*row)  # type: ignore[arg-type]  # sqlite3 rows are untyped; the schema types them
        object.__setattr__(turn, "kind", CommandKind(turn.kind))
        return turn

    @property
    def ended(self) -> bool:
        return self.state == relay_pb2.TURN_STATE_ENDED

    def delivery(self, now_ms: int) -> "relay_pb2.DeliveryState.ValueType":
        if self.ticket is None:
            return relay_pb2.DELIVERY_STATE_NONE
        if self.abandoned is not None:
            return relay_pb2.DELIVERY_STATE_ABANDONED
        if self.settled:
            return relay_pb2.DELIVERY_STATE_DELIVERED
        if not is_due(self.next_attempt_ms, now_ms):
            return relay_pb2.DELIVERY_STATE_PARKED
        return relay_pb2.DELIVERY_STATE_PENDING


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the delivery of an undelivered turn stands on disk."""

    generation: int
    next_attempt_ms: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What a relay settled: every event of the turn up to seq. `status`: it was a rejection."""

    request_id: str
    generation: int
    seq: int
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why event `seq` has not been delivered yet.

    Attributes:
        attempts: the least that have failed of this event by now.
        failed: one more did; False while it waits for a breaker or for room.
        status: the HTTP status, 0 for no answer.
        delay_ms: until the next attempt is due; None: it follows at once.
    """

    request_id: str
    generation: int
    seq: int
    attempts: int = 0
    failed: bool = True
    status: int = 0
    error: str = ""
    delay_ms: int | None = None


def is_due(next_attempt_ms: int, now_ms: int) -> bool:
    """Whether a turn may be delivered; no wait outlives a clock that was set back by much."""
    return not now_ms < next_attempt_ms <= now_ms + MAX_PARK_MS
