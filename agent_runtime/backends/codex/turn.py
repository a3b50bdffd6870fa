"""What one prompt has come to, as told by the events alone. No I/O."""

from agent_runtime.backends.codex import shapes
from agent_runtime.backends.codex.events import Event
from agent_runtime.backends.codex.meaning import plainly
from agent_runtime.backends.shape import shape
from agent_runtime.model import Code, Outcome, TurnEnd, Usage


class TurnState:
    """Fed with every event, in order, by the task that runs the prompt.

    `number` is that of our turn/start. What belongs to another turn of our thread is
    the tail of the one before; what belongs to another thread is a subagent's.
    """

    def __init__(self, thread_id: str, number: int) -> None:
        self._thread_id = thread_id
        self._number = number
        self._turn: shapes.Turn | None = None
        self._refusal: str | None = None
        self._usage: Usage | None = None
        self.turn_id = ""
        self.started = False
        """Whether the CLI would know what to interrupt."""
        self.interrupted = False

    @property
    def ended(self) -> bool:
        return self._turn is not None or self._refusal is not None

    def observe(self, event: Event) -> bool:
        """Whether the event belongs to this prompt."""
        if event.number == self._number and not event.type:
            self._observe_answer(event)
            return False
        own = event.thread_id == self._thread_id
        if not event.thread_id or (own and event.turn_id not in ("", self.turn_id)):
            return False
        if own:
            self._observe_own(event)
        return True

    def add(self, used: Usage) -> None:
        """What a model call of the turn used, subagents' calls among them."""
        so_far = self._usage or Usage(input_tokens=0, output_tokens=0)
        self._usage = Usage(
            input_tokens=so_far.input_tokens + used.input_tokens,
            output_tokens=so_far.output_tokens + used.output_tokens,
        )

    def end(self) -> TurnEnd:
        status = self._turn.status if self._turn is not None else ""
        if status == "completed":
            return TurnEnd(outcome=Outcome.COMPLETED, usage=self._usage)
        if self.interrupted or status == "interrupted":
            return TurnEnd(outcome=Outcome.INTERRUPTED, usage=self._usage)
        return TurnEnd(
            outcome=Outcome.FAILED,
            code=Code.PROMPT_ERROR,
            message=self._reason(),
            usage=self._usage,
        )

    def _reason(self) -> str:
        if self._refusal is not None:
            return f"codex refuses the turn: {self._refusal[:2000]}"
        failure = self._turn.error if self._turn is not None else None
        told = plainly(failure.message) if failure is not None else ""
        return told or "codex does not say what went wrong"

    def _observe_answer(self, event: Event) -> None:
        told = shape(event.result, shapes.TurnTold)
        if event.error is not None:
            self._refusal = event.error
        elif told is not None:
            self.turn_id = told.turn.id

    def _observe_own(self, event: Event) -> None:
        if event.type == "turn/started":
            self.started = True
        elif event.type == "turn/completed":
            told = shape(event.params, shapes.TurnTold)
            self._turn = told.turn if told is not None else shapes.Turn(id=event.turn_id)
