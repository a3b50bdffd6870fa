"""What an agent tells of a turn, in our words."""

from gateway.delivery.payload import OUTCOMES, moment
from gateway.model import DeliveryState, TurnReport, TurnState
from proto.relay.v1 import relay_pb2

_STATES: dict[int, TurnState] = {
    relay_pb2.TURN_STATE_QUEUED: "queued",
    relay_pb2.TURN_STATE_RUNNING: "running",
    relay_pb2.TURN_STATE_ENDED: "ended",
}
_DELIVERIES: dict[int, DeliveryState] = {
    relay_pb2.DELIVERY_STATE_NONE: "none",
    relay_pb2.DELIVERY_STATE_PENDING: "pending",
    relay_pb2.DELIVERY_STATE_PARKED: "parked",
    relay_pb2.DELIVERY_STATE_DELIVERED: "delivered",
    relay_pb2.DELIVERY_STATE_ABANDONED: "abandoned",
}


def report(turn: relay_pb2.Turn) -> TurnReport:
    """Names instead of numbers; what this gateway has no name for is unknown."""
    return TurnReport(
        request_id=turn.request_id,
        state=_STATES.get(turn.state, "unknown"),
        outcome=OUTCOMES.get(turn.outcome),
        first_seq=turn.first_seq,
        last_seq=turn.last_seq,
        acked_seq=turn.acked_seq,
        delivery=_DELIVERIES.get(turn.delivery, "unknown"),
        attempts=turn.attempts,
        next_attempt_at=moment(turn.next_attempt_ms) if turn.next_attempt_ms else None,
        last_status=turn.last_status,
        last_error=turn.last_error,
        rejected_seqs=tuple(turn.rejected_seqs),
        generation=turn.generation,
        created_at=moment(turn.created_ms),
        ticket=turn.ticket,
    )
