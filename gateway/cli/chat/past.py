"""What was said before, as the gateway tells it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.cli.api import JSON
from gateway.cli.chat.tools import outcome, summary
from gateway.cli.printable import one_line, printable
from gateway.cli.transcript import Transcript

_TEXT = 4000
_TOOLS = 20


def show_past(messages: Sequence[JSON], paper: Transcript) -> None:
    """Oldest first; long ones are cut, and that is told."""
    for message in messages:
        if message.get("role") == "user":
            paper.block(said(str(message.get("text", ""))), "bold")
            for file in _dicts(message.get("attachments")):
                paper.note(f"  with {file.get('filename')} ({file.get('mime_type')})", "dim")
        else:
            _show_answer(message, paper)


def said(text: str) -> str:
    """What the user said, as it stands in the conversation."""
    return "> " + _cut(text).replace("\n", "\n  ")


def _show_answer(message: JSON, paper: Transcript) -> None:
    tools = list(_dicts(message.get("tools")))
    for tool in tools[:_TOOLS]:
        line = outcome(summary(tool), tool)
        paper.note(line.text, line.style)
    if len(tools) > _TOOLS:
        paper.note(f"… and {len(tools) - _TOOLS} more tools", "dim")
    if text := str(message.get("text", "")).rstrip("\n"):
        paper.block(_cut(text), "")
    ended = message.get("outcome")
    if ended and ended != "completed":
        error = message.get("error")
        why = f": {error.get('message', '')}" if isinstance(error, dict) else ""
        paper.note(f"✗ {ended}{why}", "red")


def _cut(text: str) -> str:
    left = len(text) - _TEXT
    return printable(text[:_TEXT]) + (f" … and {left:,} more characters" if left > 0 else "")


def _dicts(told: object) -> Iterator[Mapping[str, Any]]:
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict):
            yield {
                name: one_line(value, limit=500) if isinstance(value, str) else value
                for name, value in each.items()
            }
