"""Events as lines: where each stands, when it was, and what it says."""

from rich.console import Console

from gateway.cli.printable import one_line
from gateway.cli.receiver import Arrival
from gateway.cli.stopwatch import Turn

_TEXT = 80


class EventLines:
    """A line an event: seq, time, turn, kind, text."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def started(self, turn: Turn) -> None:
        """Events tell their own time."""

    def arrived(self, arrival: Arrival) -> None:
        event = arrival.event
        if event is None:
            return
        kind = "final" if event.is_final else event.kind or event.event_type
        line = (
            f"{event.seq:>6}  {one_line(event.timestamp, limit=30):<27} "
            f"{one_line(event.request_id, limit=128)}  {one_line(kind, limit=20):<15} "
            f"{one_line(event.gist(), limit=_TEXT)}"
        )
        self._console.out(line.rstrip(), style="bold" if event.is_final else None, highlight=False)
