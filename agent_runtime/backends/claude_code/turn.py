"""What one prompt has come to, as told by the events alone. No I/O."""

from agent_runtime.backends.claude_code import shapes
from agent_runtime.backends.claude_code.events import Event, shape
from agent_runtime.backends.claude_code.meaning import usage_of
from agent_runtime.model import Code, Outcome, TurnEnd


class TurnState:
    """Fed with every event, in order, by the task that runs the prompt.

    A prompt begins when the CLI says that it has started on our message; a result
    before that is another turn's, unless it is an error: then it will not start.
    """

    def __init__(self, message_id: str) -> None:
        self._message_id = message_id
        self._result: shapes.Result | None = None
        self.begun = False
        self.interrupted = False

    @property
    def ended(self) -> bool:
        return self._result is not None

    def observe(self, event: Event) -> bool:
        """Whether the event belongs to this prompt."""
        if event.type == "command_lifecycle":
            self._observe_lifecycle(event)
        elif event.type == "result":
            self._observe_result(event)
        return self.begun or self.ended

    def end(self) -> TurnEnd:
        result = self._result or shapes.Result()
        usage = usage_of(result)
        if self.interrupted and (result.is_error or not self.ended):
            return TurnEnd(outcome=Outcome.INTERRUPTED, usage=usage)
        if not result.is_error:
            return TurnEnd(outcome=Outcome.COMPLETED, usage=usage)
        return TurnEnd(
            outcome=Outcome.FAILED, code=Code.PROMPT_ERROR, message=result.message, usage=usage
        )

    def _observe_lifecycle(self, event: Event) -> None:
        told = shape(event, shapes.Lifecycle)
        if told is not None and told.command_uuid == self._message_id:
            self.begun = self.begun or told.state == "started"

    def _observe_result(self, event: Event) -> None:
        told = shape(event, shapes.Result) or shapes.Result(is_error=True)
        if self.begun or told.is_error:
            self._result = told
