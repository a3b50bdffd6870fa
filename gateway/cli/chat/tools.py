"""Tools as lines: one each, from its start to its end."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.cli.printable import one_line
from gateway.cli.webhook import Webhook

_MOST = 100
_INPUT = 100
_SAID = 60
_TELLING = ("command", "file_path", "filePath", "path", "pattern", "query", "url", "description")
"""Of a tool's input what says most, in this order; else all of it is shown."""


@dataclass(frozen=True, slots=True)
class ToolLine:
    """`style` is rich's."""

    text: str
    style: str


class Tools:
    """Those that are at work; at most 100. Event loop only."""

    def __init__(self) -> None:
        self._running: OrderedDict[tuple[str, str], str] = OrderedDict()

    def started(self, event: Webhook) -> None:
        self._running[event.request_id, event.text("call_id")] = summary(event.data)
        if len(self._running) > _MOST:
            self._running.popitem(last=False)

    def finished(self, event: Webhook) -> ToolLine:
        """What it was, and how it ended."""
        known = self._running.pop((event.request_id, event.text("call_id")), "")
        about = summary(event.data) if event.data.get("input") else known or summary(event.data)
        return outcome(about, event.data)

    def ended(self, request_id: str) -> None:
        """The turn has; what was at work for it is not any more."""
        for turn, call_id in [key for key in self._running if key[0] == request_id]:
            del self._running[turn, call_id]

    @property
    def at_work(self) -> Sequence[str]:
        return [f"▸ {about}" for about in self._running.values()]


def summary(tool: Mapping[str, Any]) -> str:
    """Its name and what it was called with, as far as it is short."""
    name = one_line(str(tool.get("tool", "")), limit=40) or "tool"
    given = tool.get("input")
    if isinstance(given, dict):
        given = next((given[key] for key in _TELLING if given.get(key)), given)
    if not given:
        return name
    said = given if isinstance(given, str) else msgspec.json.encode(given).decode()
    return f"{name}: {one_line(said, limit=_INPUT)}"


def outcome(about: str, tool: Mapping[str, Any]) -> ToolLine:
    """The line of a tool that has ended, with its error where it has one."""
    if tool.get("status") == "error" or tool.get("error"):
        why = one_line(str(tool.get("error") or "error"), limit=_SAID)
        return ToolLine(f"✗ {about} · {why}", "red")
    said = tool.get("output")
    lines = said.strip().count("\n") + 1 if isinstance(said, str) and said.strip() else 0
    told = one_line(said, limit=_SAID) if lines == 1 and isinstance(said, str) else ""
    size = f" · {told}" if told else f" · {lines} lines" if lines else ""
    return ToolLine(f"✓ {about}{size}", "cyan")
