"""Arrivals as a conversation: text joined as it streams, tools a line each, endings."""

from collections import OrderedDict

from rich.console import Console

from gateway.cli.ending import ending
from gateway.cli.printable import one_line, printable
from gateway.cli.receiver import Arrival
from gateway.cli.stopwatch import Stopwatch, Turn
from gateway.cli.webhook import Webhook

_PARTS = 10_000
_LINE = 160
_SILENT = frozenset({"usage", "other"})
"""Kinds that say nothing to a person here; `--json` has them, and the final sums usage up."""


class Transcript:
    """Shows any number of turns on one console.

    Args:
        console: takes text as it stands.
        named: announce the turn whenever another one begins to speak.
    """

    def __init__(self, console: Console, *, named: bool) -> None:
        self._console = console
        self._named = named
        self._stopwatch = Stopwatch()
        self._speaker: Turn | None = None
        self._streamed: OrderedDict[tuple[Turn, str], None] = OrderedDict()
        """Parts whose text has been shown, so that it is not shown again whole."""
        self._part: tuple[str, str] | None = None
        """Kind and id of the part that the cursor stands in."""
        self._at_line_start = True

    def started(self, turn: Turn) -> None:
        self._stopwatch.start(turn)

    def arrived(self, arrival: Arrival) -> None:
        event = arrival.event
        if event is None:
            about = f" (webhook-id {arrival.webhook_id})" if arrival.webhook_id else ""
            self.note(f"✗ refused a delivery: {arrival.refusal}{about}", "red")
            return
        self._stopwatch.start(event.turn)
        self._announce(event)
        if event.is_final:
            self._end(event)
        else:
            self._show(event)

    def _announce(self, event: Webhook) -> None:
        if self._speaker == event.turn:
            return
        self._speaker = event.turn
        self.pause()
        if self._named:
            self.note(f"── agent {event.agent_id} · turn {event.request_id}", "bold")

    def _end(self, event: Webhook) -> None:
        shown = ending(event, took_s=self._stopwatch.stop(event.turn))
        self.pause()
        self._console.out(shown.text, style=shown.style, highlight=False)
        self._speaker = None

    def _show(self, event: Webhook) -> None:
        family, _, form = event.kind.partition(".")
        if family in ("text", "reasoning"):
            self._speak(event, family, whole=not form)
        elif event.kind not in _SILENT:
            mark, style = _MARKS.get(event.kind, ("·", "dim"))
            if event.text("status") == "error":
                mark, style = "✗", "red"
            self.note(f"{mark} {_gist(event)}", style)

    def note(self, text: str, style: str) -> None:
        """A line of its own, cut where it would be too long."""
        self.pause()
        limit = min(_LINE, self._console.width) if self._console.is_terminal else _LINE
        self._console.out(one_line(text, limit=limit), style=style, highlight=False)

    def block(self, text: str, style: str) -> None:
        """Lines of their own, whole; the text is printable."""
        self.pause()
        self._console.out(text, style=style, highlight=False)

    def pause(self) -> None:
        """What is shown next begins on a line of its own."""
        if not self._at_line_start:
            self._console.out("", highlight=False)
        self._at_line_start = True
        self._part = None

    def _speak(self, event: Webhook, family: str, *, whole: bool) -> None:
        part_id = event.text("part_id")
        if whole and (event.turn, part_id) in self._streamed:
            return
        self._remember(event.turn, part_id)
        if self._part != (family, part_id):
            self.pause()
        self._part = (family, part_id)
        if text := printable(event.text()):
            style = "dim italic" if family == "reasoning" else None
            self._console.out(text, style=style, highlight=False, end="")
            self._at_line_start = text.endswith("\n")

    def _remember(self, turn: Turn, part_id: str) -> None:
        if part_id:
            self._streamed[turn, part_id] = None
        if len(self._streamed) > _PARTS:
            self._streamed.popitem(last=False)


_MARKS = {
    "tool.started": ("▸", "cyan"),
    "tool.finished": ("✓", "cyan"),
    "permission.asked": ("?", "yellow"),
    "permission.answered": ("✓", "yellow"),
    "question.asked": ("?", "yellow"),
    "question.answered": ("✓", "yellow"),
    "file.changed": ("±", "green"),
}


def _gist(event: Webhook) -> str:
    """What a line says: a tool with what went in or came out, else the fields told."""
    if tool := event.text("tool"):
        fields = ("error", "output", "input") if event.kind == "tool.finished" else ("input",)
        said = next((text for name in fields if (text := event.text(name))), "")
        return f"{tool}: {said}" if said else tool
    told = " ".join(event.text(name) for name in event.data)
    return told or "status" if event.kind == "status" else f"{event.kind}: {told}"
