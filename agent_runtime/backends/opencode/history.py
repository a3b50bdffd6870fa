"""What the CLI's own history has of prompts, read backwards a page at a time."""

import base64
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from agent_runtime.backends.opencode import shapes
from agent_runtime.backends.opencode.client import Client
from agent_runtime.backends.opencode.meaning import kept
from agent_runtime.backends.recalled import MAX_BYTES, Bookmarks, Recalled, Recollection
from agent_runtime.errors import NotRecalled, Refused

_PAGE = 40
_MAX_PAGES = 50


def place_of(message: shapes.Message) -> str:
    """Where the user's message stands: what the CLI's cursors are made of."""
    created = message.time.created if message.time is not None else 0
    return f"{message.id}/{created:.0f}"


async def recall(client: Client, wanted: Bookmarks) -> Mapping[str, Recalled]:
    """As `Backend.recall`. Raises NotRecalled, Refused, BackendCrashed."""
    reader = _Reader(wanted.places)
    cursor, room = _cursor(wanted.before), MAX_BYTES
    for _ in range(_MAX_PAGES):
        try:
            answer, cursor = await client.messages(
                wanted.session_id, before=cursor, limit=_PAGE, most_bytes=room
            )
        except Refused:
            if reader.found:
                break
            raise
        room -= len(answer)
        if reader.read(_messages(answer)) or not cursor:
            break
    return reader.found


class _Reader:
    """Takes a session's messages from the newest to the oldest."""

    def __init__(self, places: Sequence[str]) -> None:
        self._wanted = {_message_id(one): one for one in places}
        self._answers: list[shapes.Kept] = []
        self.found: dict[str, Recalled] = {}

    def read(self, messages: Sequence[shapes.Kept]) -> bool:
        """Whether all that is wanted has been found."""
        for message in reversed(messages):
            if message.info.role != "user":
                self._answers.append(message)
                continue
            found = self._wanted.get(message.info.id)
            if found is not None:
                self.found[found] = _recalled(message, reversed(self._answers))
            if found is not None or _own_text(message):
                self._answers.clear()  # else the CLI itself said it, to go on
        return len(self.found) == len(self._wanted)


def _recalled(said: shapes.Kept, answers: Iterable[shapes.Kept]) -> Recalled:
    made = Recollection(_own_text(said))
    for answer in answers:
        for part in answer.parts:
            made.add(*kept(part))
    return made.recalled()


def _own_text(message: shapes.Kept) -> str:
    """What the user said; the CLI adds texts of its own."""
    texts = (part.text for part in message.parts if part.type == "text" and not part.synthetic)
    return next(texts, "")


def _messages(answer: bytes) -> list[shapes.Kept]:
    try:
        return msgspec.json.decode(answer, type=list[shapes.Kept])
    except (ValueError, RecursionError) as error:
        raise NotRecalled(f"opencode tells its history in another form: {error}") from error


def _message_id(place: str) -> str:
    return place.partition("/")[0]


def _cursor(place: str) -> str:
    """The CLI's own for all that is older than that message; "" for all."""
    if not place:
        return ""
    message_id, _, created = place.partition("/")
    told = msgspec.json.encode({"id": message_id, "time": int(created or 0)})
    return base64.urlsafe_b64encode(told).decode("ascii").rstrip("=")
