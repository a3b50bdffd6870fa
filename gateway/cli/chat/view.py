"""What comes from the agent, shown as a conversation."""

from collections.abc import Callable

from gateway.cli.chat.asking import Asking
from gateway.cli.chat.tools import Tools
from gateway.cli.chat.turns import OpenTurn, OpenTurns, Purpose
from gateway.cli.printable import one_line
from gateway.cli.receiver import Arrival
from gateway.cli.stopwatch import Turn
from gateway.cli.transcript import Transcript
from gateway.cli.webhook import Webhook

_SAID = 60
_ASKED = frozenset({"permission.asked", "question.asked"})
_ANSWERED = frozenset({"permission.answered", "question.answered"})


class View:
    """A screen for the events of all turns of one agent. Event loop only."""

    def __init__(
        self,
        *,
        paper: Transcript,
        turns: OpenTurns,
        asking: Asking,
        tools: Tools,
        changed: Callable[[], None],
    ) -> None:
        self._changed = changed
        self._paper = paper
        self._turns = turns
        self._asking = asking
        self._tools = tools

    def started(self, turn: Turn) -> None:
        """Turns tell it themselves."""

    def arrived(self, arrival: Arrival) -> None:
        event = arrival.event
        assert event is not None
        if event.is_final:
            self._end(arrival, event)
        else:
            turn, first = self._turns.heard(event.request_id)
            if first:
                self._begin(turn, event)
            self._show(arrival, event)
        self._changed()

    def _begin(self, turn: OpenTurn, event: Webhook) -> None:
        """What is not obvious: whose turn it is now."""
        self._paper.started(event.turn)
        if turn.purpose is Purpose.ELSEWHERE:
            self._paper.note(f"── turn {event.request_id}, sent elsewhere", "dim")
        elif turn.waited:
            self._paper.note(f"── now: {one_line(turn.said, limit=_SAID)}", "dim")

    def _show(self, arrival: Arrival, event: Webhook) -> None:
        if event.kind == "tool.started":
            self._tools.started(event)
        elif event.kind == "tool.finished":
            line = self._tools.finished(event)
            self._paper.note(line.text, line.style)
        elif event.kind in _ASKED:
            self._asking.heard(event)
        elif event.kind in _ANSWERED:
            if self._asking.settled(event.text("prompt_id")):
                said = event.text("decision") or event.text("answers")
                self._paper.note(f"── decided without you: {said}", "yellow")
        elif event.kind == "todo.updated":
            self._paper.note(f"· {_todo(event.data.get('todos'))}", "dim")
        elif event.kind != "status" or event.text() or event.text("message"):
            self._paper.arrived(arrival)

    def _end(self, arrival: Arrival, event: Webhook) -> None:
        turn = self._turns.of(event.request_id)
        self._tools.ended(event.request_id)
        self._asking.ended(event.request_id)
        told = self._told(turn, event)
        if told is None:
            if turn is not None and not turn.spoke:
                self._begin(turn, event)
            self._paper.arrived(arrival)
        elif told:
            self._paper.note(told, "dim")
        self._turns.close(event.request_id)
        if (running := self._turns.running) is not None:
            self._paper.started((event.agent_id, running.request_id))

    def _told(self, turn: OpenTurn | None, event: Webhook) -> str | None:
        """What is said in place of how it ended: "" for nothing, None where that is to be said."""
        if event.outcome != "completed":
            return None if turn is not None else ""
        if turn is None or turn.purpose is Purpose.ORDER:
            return ""
        if turn.purpose is Purpose.SESSION:
            return "── a fresh conversation begins"
        into_another = self._turns.running is not turn and not turn.spoke
        if turn.purpose is Purpose.NOW and into_another:
            return "── told the running turn"
        return None


def _todo(todos: object) -> str:
    """How far it has come, and what it is at."""
    told = [each for each in todos if isinstance(each, dict)] if isinstance(todos, list) else []
    done = sum(each.get("status") == "completed" for each in told)
    now = next((each.get("content") for each in told if each.get("status") == "in_progress"), "")
    return f"{done} of {len(told)} done" + (f", now: {now}" if now else "")
