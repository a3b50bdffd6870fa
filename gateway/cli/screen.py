"""Where arrivals are shown: what every way of showing them can do."""

from typing import IO, Protocol

from rich.console import Console

from gateway.cli.errors import OutputClosed
from gateway.cli.receiver import Arrival
from gateway.cli.stopwatch import Turn


class Screen(Protocol):
    """Called by one task, in the order of arrival."""

    def started(self, turn: Turn) -> None:
        """This turn (agent, request id) has just been accepted: its time counts from here."""
        ...

    def arrived(self, arrival: Arrival) -> None:
        """Show it, whatever is in it."""
        ...


class PlainConsole(Console):
    """Takes text as it stands: no markup, no colours found in it.

    Piped, it writes no escape codes (rich looks at the stream, NO_COLOR and
    FORCE_COLOR). Without `file` it writes to standard output.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        super().__init__(file=file, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Raises OutputClosed: rich's own SystemExit would tear an event loop apart."""
        try:
            super().on_broken_pipe()
        except SystemExit as error:
            raise OutputClosed("nobody reads the output any more") from error
