"""What the CLI's own history has of prompts: the items of its turns."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from agent_runtime.backends.codex import items, shapes
from agent_runtime.backends.codex.rpc import call
from agent_runtime.backends.recalled import MAX_BYTES, Bookmarks, Recalled, Recollection
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import NotRecalled

_PAGE = 8
"""Few: each may be large, and the answer is one line among the running turn's."""


async def recall(lines: JsonLines, wanted: Bookmarks) -> Mapping[str, Recalled]:
    """As `Backend.recall`; a place is the id of a turn.

    Raises:
        NotRecalled, Refused, BackendCrashed: it does not tell now.
    """
    found: dict[str, Recalled] = {}
    room = MAX_BYTES
    try:
        for turn_id in wanted.places:
            made = _Turn()
            async for page in _pages(lines, wanted.session_id, turn_id):
                room -= sum(map(len, page))
                if room < 0:
                    return found
                made.add(page)
            if made.begun:
                found[turn_id] = made.recalled()
    except msgspec.ValidationError as error:
        raise NotRecalled(f"codex tells its history in another form: {error}") from error
    return found


class _Turn:
    """One turn's items, in order."""

    def __init__(self) -> None:
        self._made = Recollection()
        self.begun = False

    def add(self, page: Sequence[msgspec.Raw]) -> None:
        for raw in page:
            item = msgspec.json.decode(raw, type=shapes.KeptItem).item
            if item.type != "userMessage":
                self._made.add(*items.completed(item))
            elif not self.begun:  # a later one went into the running turn
                self._made.text = _text(item)
                self.begun = True

    def recalled(self) -> Recalled:
        return self._made.recalled()


async def _pages(
    lines: JsonLines, thread_id: str, turn_id: str
) -> AsyncIterator[Sequence[msgspec.Raw]]:
    params: dict[str, Any] = {"threadId": thread_id, "turnId": turn_id, "limit": _PAGE}
    while True:
        page = await call(lines, "thread/items/list", params, shapes.KeptItems)
        yield page.data
        if not page.next_cursor or not page.data:
            return
        params["cursor"] = page.next_cursor


class _Content(msgspec.Struct):
    type: str = ""
    text: str = ""


def _text(item: shapes.Item) -> str:
    """What the user said comes first; files that are texts follow."""
    content = msgspec.json.decode(item.content, type=list[_Content])
    return next((one.text for one in content if one.type == "text"), "")
