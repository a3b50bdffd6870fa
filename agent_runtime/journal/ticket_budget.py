"""How many bytes of tickets unsettled turns may have, where each may need a note outside."""

import sqlite3
from dataclasses import dataclass

from agent_runtime.errors import Exhausted

VOLATILE_MAX_BYTES = 160 * 1024
"""Of a journal that goes with its pod: so many fit into the pod's annotations, as notes,
beside what else is there."""
NOTE_BYTES = 224
"""What a note adds to request_id and ticket, with the claim under which its turn is ended."""

_UNSETTLED = """
SELECT coalesce(sum(length(ticket) + length(request_id) + ?), 0) FROM turns
WHERE settled = 0 AND length(ticket) > 0
"""


def note_bytes(request_id: str, ticket: bytes | None) -> int:
    """What a turn takes; one without a ticket is never noted."""
    return len(ticket) + len(request_id) + NOTE_BYTES if ticket else 0


@dataclass(frozen=True, slots=True)
class TicketBudget:
    """Counted in the tables at every use, so always exact. `max_bytes` None: there is no bound."""

    max_bytes: int | None = None

    def admit(self, connection: sqlite3.Connection, more_bytes: int, *, queued: bool) -> None:
        """Let so many more bytes in. The last sixteenth is not for messages: an interrupt
        must get through.

        Raises:
            Exhausted: there is no room for them now.
        """
        if self.max_bytes is None or more_bytes <= 0:
            return
        most_bytes = self.max_bytes - (self.max_bytes // 16 if queued else 0)
        (held_bytes,) = connection.execute(_UNSETTLED, (NOTE_BYTES,)).fetchone()
        if held_bytes + more_bytes > most_bytes:
            raise Exhausted(
                "the turns of this agent that are not settled yet take the room for notes on "
                f"its pod ({held_bytes} of {most_bytes} bytes); repeat later"
            )


NO_BUDGET = TicketBudget()
