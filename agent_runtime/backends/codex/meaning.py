"""What an event means, in the words that all backends share: its kind and data.

An event of a subagent means the same, and its data has `subagent`: its thread's id.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.codex import items, shapes
from agent_runtime.backends.codex.asked import Asked, Permission, asked_by
from agent_runtime.backends.codex.events import Event
from agent_runtime.backends.codex.items import NOTHING, Meant
from agent_runtime.backends.file_changed import file_changed
from agent_runtime.backends.jsonrpc import Envelope
from agent_runtime.backends.recent import Recent
from agent_runtime.backends.shape import shape
from agent_runtime.model import BackendEvent, Kind, Usage

_COMPLETED = "item/completed"
_STEPS = {"inProgress": "in_progress"}


class Meanings:
    """Used by one prompt; remembers which items have begun and what was answered."""

    def __init__(self, thread_id: str, workspace: Path) -> None:
        self._thread_id = thread_id
        self._workspace = workspace
        self._begun: Recent[str, shapes.Item] = Recent()
        self._answers: Recent[str, Meant] = Recent()
        self._by_type: dict[str, Callable[[Event], Meant]] = {
            "item/started": self._item_started,
            _COMPLETED: _item_completed,
            "item/agentMessage/delta": _text,
            "item/reasoning/summaryTextDelta": _reasoning,
            "item/reasoning/textDelta": _reasoning,
            "serverRequest/resolved": self._resolved,
            "thread/status/changed": _status,
            "turn/plan/updated": _plan,
            "error": _failed,
            "warning": _warned,
        }

    def of(self, event: Event, used: Usage | None) -> BackendEvent:
        """To be called with every event of the prompt, in order; `used`: what it tells of."""
        kind, data = self._meant(event) if used is None else _usage(used)
        data = {**data, **self._origin(event)}
        encoded = msgspec.json.encode(data) if data else b""
        return BackendEvent(event.type, event.raw, kind, encoded)

    def changes(self, event: Event) -> list[BackendEvent]:
        """The files that an event says have changed, to be told before what the event means.

        The JSON of each is the part that says so.
        """
        told = shape(event.params, shapes.ItemTold) if event.type == _COMPLETED else None
        if told is None:
            return []
        return [
            file_changed(event.type, change, {"file": file, **self._origin(event)})
            for change, file in items.changed(told.item, self._workspace)
        ]

    def asked(self, event: Event) -> Asked | None:
        """What a request asks; None for what we cannot answer."""
        return asked_by(event, self._begun, self._workspace)

    def answered(self, number: int | str | None, kind: Kind, data: dict[str, Any]) -> None:
        """What the CLI is going to call resolved."""
        self._answers.put(str(number), (kind, data))

    def _origin(self, event: Event) -> dict[str, Any]:
        subagent = event.thread_id and event.thread_id != self._thread_id
        return {"subagent": event.thread_id} if subagent else {}

    def _meant(self, event: Event) -> Meant:
        if event.is_request:
            asked = self.asked(event)
            if asked is None:
                return NOTHING
            permission = isinstance(asked, Permission)
            kind = Kind.PERMISSION_ASKED if permission else Kind.QUESTION_ASKED
            return kind, asked.ask.data
        look = self._by_type.get(event.type)
        return NOTHING if look is None else look(event)

    def _item_started(self, event: Event) -> Meant:
        told = shape(event.params, shapes.ItemTold)
        if told is None:
            return NOTHING
        self._begun.put(told.item.id, told.item)
        return items.started(told.item)

    def _resolved(self, event: Event) -> Meant:
        told = shape(event.params, shapes.Resolved)
        known = self._answers.get(str(told.request_id)) if told is not None else None
        return known or NOTHING


def plainly(message: str) -> str:
    """What went wrong, also where the provider's own JSON was passed on."""
    try:
        told = msgspec.json.decode(message, type=Envelope)
    except ValueError:
        return message[:2000]
    return (told.error.message if told.error is not None else message)[:2000]


def _usage(used: Usage) -> Meant:
    tokens = {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens}
    return Kind.USAGE, tokens


def _item_completed(event: Event) -> Meant:
    told = shape(event.params, shapes.ItemTold)
    return NOTHING if told is None else items.completed(told.item)


def _text(event: Event) -> Meant:
    return _delta(event, Kind.TEXT_DELTA)


def _reasoning(event: Event) -> Meant:
    return _delta(event, Kind.REASONING_DELTA)


def _delta(event: Event, kind: Kind) -> Meant:
    told = shape(event.params, shapes.Delta)
    return NOTHING if told is None else (kind, {"text": told.delta, "part_id": told.item_id})


def _status(event: Event) -> Meant:
    told = shape(event.params, shapes.StatusTold)
    return NOTHING if told is None else (Kind.STATUS, {"status": told.status.type})


def _warned(event: Event) -> Meant:
    told = shape(event.params, shapes.Warned)
    if told is None:
        return NOTHING
    return Kind.STATUS, {"status": "warning", "message": told.message}


def _failed(event: Event) -> Meant:
    told = shape(event.params, shapes.Failed)
    if told is None:
        return NOTHING
    status = "retry" if told.will_retry else "error"
    return Kind.STATUS, {"status": status, "message": plainly(told.error.message)}


def _plan(event: Event) -> Meant:
    told = shape(event.params, shapes.Plan)
    if told is None:
        return NOTHING
    todos = [
        {"content": step.step, "status": _STEPS.get(step.status, step.status)} for step in told.plan
    ]
    return Kind.TODO_UPDATED, {"todos": todos}
