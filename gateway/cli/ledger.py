"""Arrivals as they are on the wire: one line a webhook, with what was checked."""

import time

from rich.console import Console

from gateway.cli.ending import ending
from gateway.cli.printable import one_line
from gateway.cli.receiver import Arrival
from gateway.cli.stopwatch import Stopwatch, Turn
from gateway.cli.webhook import Webhook

_TEXT = 60


class Ledger:
    """Writes a line an arrival, with its second since `zero_s` (of the monotonic clock)."""

    def __init__(self, console: Console, *, zero_s: float) -> None:
        self._console = console
        self._zero_s = zero_s
        self._stopwatch = Stopwatch()
        self._reached_s: dict[str, float] = {}

    def started(self, turn: Turn) -> None:
        self._stopwatch.start(turn)

    def milestone(self, text: str, *, reached: str = "") -> None:
        """Something that happened beside the webhooks; `reached` enters it in the time line."""
        if reached:
            self._reach(reached)
            text = f"{reached}: {text}"
        self._row(one_line(text, limit=400), "bold")

    def timeline(self) -> str:
        """When each stage was reached first."""
        stages = (f"{name} {at_s:.2f} s" for name, at_s in self._reached_s.items())
        return f"time line: {', '.join(stages)}"

    def arrived(self, arrival: Arrival) -> None:
        event = arrival.event
        if event is None:
            self._row(f"REFUSED: {one_line(arrival.refusal, limit=200)}", "bold red")
            return
        self._reach("first webhook")
        self._stopwatch.start(event.turn)
        self._row(_columns(event), None)
        if event.is_final:
            self._reach("final")
            shown = ending(event, took_s=self._stopwatch.stop(event.turn))
            self._row(f"{shown.text} · {one_line(event.request_id, limit=128)}", shown.style)

    def _reach(self, stage: str) -> None:
        self._reached_s.setdefault(stage, time.monotonic() - self._zero_s)

    def _row(self, text: str, style: str | None) -> None:
        at_s = time.monotonic() - self._zero_s
        self._console.out(f"{at_s:7.2f} s  {text}", style=style, highlight=False)


def _columns(event: Webhook) -> str:
    kind = "final" if event.is_final else event.kind or "-"
    return (
        f"seq {event.seq:<4} {one_line(event.event_type, limit=20):<14} "
        f"{one_line(kind, limit=20):<13} signature ok  {one_line(event.gist(), limit=_TEXT)}"
    )
