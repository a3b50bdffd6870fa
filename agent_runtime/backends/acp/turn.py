"""What one prompt has come to, as told by the messages alone. No I/O."""

from agent_runtime.backends.acp import shapes
from agent_runtime.backends.acp.events import UPDATE, Event, reason
from agent_runtime.backends.shape import shape
from agent_runtime.model import Code, Outcome, TurnEnd

_STOPPED = {
    "max_tokens": "the model has no room left for more",
    "max_turn_requests": "the agent has asked its model as often as it may in one turn",
    "refusal": "the agent refuses to go on",
}


class TurnState:
    """Fed with every message, in order. `number` is that of our session/prompt."""

    def __init__(self, session_id: str, number: int) -> None:
        self._session_id = session_id
        self._number = number
        self._answer: Event | None = None
        self.interrupted = False

    @property
    def ended(self) -> bool:
        return self._answer is not None

    def observe(self, event: Event) -> bool:
        """Whether it belongs to this prompt, and is told."""
        if not event.type:
            if event.number == self._number:
                self._answer = event
            return False
        return event.type != UPDATE or event.session_id == self._session_id

    def end(self) -> TurnEnd:
        answer = self._answer
        told = shape(answer.result, shapes.Prompted) if answer is not None else None
        stopped = told.stop_reason if told is not None else ""
        if stopped == "end_turn":
            return TurnEnd(outcome=Outcome.COMPLETED)
        if self.interrupted or stopped == "cancelled":
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        error = answer.error if answer is not None else None
        message = _STOPPED.get(stopped, "the agent does not say what went wrong")
        return TurnEnd(
            outcome=Outcome.FAILED,
            code=Code.PROMPT_ERROR,
            message=reason(error) if error is not None else message,
        )
