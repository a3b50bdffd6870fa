"""Which files the calls of a prompt have changed. No I/O."""

from collections.abc import Mapping

import msgspec

from agent_runtime.backends.acp import shapes
from agent_runtime.backends.recent import Recent
from agent_runtime.backends.shape import shape

_CALL = ("tool_call", "tool_call_update")
_NOTHING: Mapping[str, msgspec.Raw] = {}


class ChangedFiles:
    """Fed with every update, in order. A call names its files before it has completed.

    A diff names one; so does the location of a call that edits.
    """

    def __init__(self) -> None:
        self._edits: Recent[str, bool] = Recent()
        self._named: Recent[str, Mapping[str, msgspec.Raw]] = Recent()

    def by(self, told: shapes.Update) -> Mapping[str, msgspec.Raw]:
        """What has changed now, by path, each with the part of an update that names it."""
        if told.session_update not in _CALL:
            return _NOTHING
        call_id = told.tool_call_id
        if told.kind is not None:
            self._edits.put(call_id, told.kind == "edit")
        places = _by_path(told.locations, shapes.Place) if self._edits.get(call_id) else {}
        named = {
            **(self._named.get(call_id) or _NOTHING),
            **places,
            **_by_path(told.content, shapes.Diff),
        }
        completed = told.status == "completed"
        self._named.put(call_id, _NOTHING if completed else named)
        return named if completed else _NOTHING


def _by_path(
    listed: msgspec.Raw, kind: type[shapes.Diff] | type[shapes.Place]
) -> dict[str, msgspec.Raw]:
    read = [(shape(part, kind), part) for part in _parts(listed)]
    return {told.path: part for told, part in read if told is not None}


def _parts(listed: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(listed, type=list[msgspec.Raw])
    except ValueError:
        return []
