"""What the thread's model calls have used. No I/O."""

from agent_runtime.backends.codex import shapes
from agent_runtime.backends.codex.events import Event
from agent_runtime.backends.shape import shape
from agent_runtime.model import Usage

USAGE = "thread/tokenUsage/updated"


class Meter:
    """Kept for as long as a process: the CLI tells totals of each thread, some of them twice.

    After an interrupt it repeats the call before, which is no call of its own. Of a thread
    that was taken up again the first telling counts: what went before is not known.
    """

    def __init__(self) -> None:
        self._totals: dict[str, shapes.Tokens] = {}

    def call(self, event: Event) -> Usage | None:
        """What a call used that an event of the type USAGE tells of; None when it repeats one."""
        told = shape(event.params, shapes.UsageTold)
        if told is None or self._totals.get(event.thread_id) == told.token_usage.total:
            return None
        self._totals[event.thread_id] = told.token_usage.total
        last = told.token_usage.last
        return Usage(input_tokens=last.input_tokens, output_tokens=last.output_tokens)
