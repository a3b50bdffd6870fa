"""What others have written, made fit to be shown in an error or an answer."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

_LAST_LINES = 5
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\U0010ffff]+")
_SHORTEST_SECRET = 8


def last(text: str, *, secrets: Iterable[str] = ()) -> str:
    """The last lines of a log, in one printable line, secrets blanked."""
    hidden = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    lines = [blanked(_reason(line), hidden) for line in blanked(text, hidden).splitlines()]
    shown = [printable(line) for line in lines]
    return " | ".join([line for line in shown if line][-_LAST_LINES:])


def printable(text: str) -> str:
    """In one line."""
    return _UNPRINTABLE.sub(" ", text).strip()


def blanked(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _reason(line: str) -> str:
    """Of a structured line what it says, of any other all of it."""
    try:
        event = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line
    return str(event.get("reason") or event.get("event") or line)
