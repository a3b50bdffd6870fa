"""What the journal's rows look like to the rest of the runtime. Frozen."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from agent_runtime.model import Outcome
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2

OUTCOMES = {
    Outcome.COMPLETED: agent_pb2.OUTCOME_COMPLETED,
    Outcome.INTERRUPTED: agent_pb2.OUTCOME_INTERRUPTED,
    Outcome.FAILED: agent_pb2.OUTCOME_FAILED,
    Outcome.TIMED_OUT: agent_pb2.OUTCOME_TIMED_OUT,
}


class CommandKind(IntEnum):
    """Which command a turn is. The numbers are agent.v1.AgentRequest's field numbers."""

    MESSAGE = 2
    INTERRUPT = 3
    SET_PERMISSION_MODE = 4
    SET_MODEL = 5

    @property
    def queued(self) -> bool:
        """Whether it waits for the turns before it; the others run beside the queue."""
        return self is CommandKind.MESSAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A checked command, ready to be journalled.

    `request` is what was asked, with request_id; of an interrupt with its target
    filled in by the journal. `digest` is the SHA-256 that tells repeats from conflicts.
    """

    request: agent_pb2.AgentRequest
    kind: CommandKind
    digest: bytes
    ticket: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of a command: the turn it made, or the one that was there before."""

    result: "relay_pb2.SubmitResponse.Result.ValueType"
    turn: "Turn"


@dataclass(frozen=True, slots=True)
class Turn:
    """One row of `turns`, as it was when it was read; without its command, which may be large."""

    COLUMNS = (
        "turn, request_id, kind, digest, ticket, state, outcome, created_ms, "
        "first_seq, last_seq, final_seq, acked_seq, trimmed_seq, generation, abandoned, settled"
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

    @classmethod
    def read(cls, row: tuple[object, ...]) -> Self:
        turn = cls(*row)  # type: ignore[arg-type]  # sqlite3 rows are untyped; the schema types them
        object.__setattr__(turn, "kind", CommandKind(turn.kind))
        return turn

    @property
    def ended(self) -> bool:
        return self.state == relay_pb2.TURN_STATE_ENDED

    @property
    def delivery(self) -> "relay_pb2.DeliveryState.ValueType":
        if self.ticket is None:
            return relay_pb2.DELIVERY_STATE_NONE
        if self.abandoned is not None:
            return relay_pb2.DELIVERY_STATE_ABANDONED
        if self.settled:
            return relay_pb2.DELIVERY_STATE_DELIVERED
        return relay_pb2.DELIVERY_STATE_PENDING


@dataclass(frozen=True, slots=True)
class Mark:
    """What a relay settled: every event of the turn up to seq. `status`: it was a rejection."""

    request_id: str
    generation: int
    seq: int
    status: int = 0
