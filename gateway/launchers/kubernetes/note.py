"""One note as an annotation of a pod: its key, its value, and what it takes of the room.

Names in the value are short: a pod's annotations share 256 KiB, keys and values together.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from gateway.launchers.kubernetes import names
from gateway.launchers.notes import Claim, Note, NoteKind

MAX_WAITING_BYTES = 64 * 1024
"""Of all waiting notes of a pod, so that there is room for what is open."""
MAX_BYTES = 262_144
"""Of all annotations of an object (apimachinery, TotalAnnotationSizeLimitB)."""

_logger = logging.getLogger(__name__)
_KINDS: Mapping[str, NoteKind] = {"w": "waiting", "o": "open"}
_LETTERS: Mapping[NoteKind, Literal["w", "o"]] = {"waiting": "w", "open": "o"}


class _Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    holder: str = msgspec.field(name="h")
    renewed_ms: int = msgspec.field(name="t")
    code: str = msgspec.field(name="c", default="")
    message: str = msgspec.field(name="m", default="")
    at_ms: int = msgspec.field(name="a", default=0)
    attempts: int = msgspec.field(name="n", default=0)
    first_failure_ms: int = msgspec.field(name="f", default=0)
    not_before_ms: int = msgspec.field(name="b", default=0)
    apart: bool = msgspec.field(name="x", default=False)


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    request_id: str = msgspec.field(name="r")
    kind: Literal["w", "o"] = msgspec.field(name="k")
    sealed: str = msgspec.field(name="s")
    arrived_ms: int = msgspec.field(name="a")
    digest: str = msgspec.field(name="d", default="")
    generation: int = msgspec.field(name="g", default=1)
    claim: _Claim | None = msgspec.field(name="c", default=None)


_decoder = msgspec.json.Decoder(_Value)


def key(request_id: str) -> str:
    """Annotation names take 63 characters; a request_id may have more."""
    return names.NOTE + hashlib.sha256(request_id.encode()).hexdigest()[:16]


def written(note: Note) -> str:
    """The annotation's value."""
    value = _Value(
        request_id=note.request_id,
        kind=_LETTERS[note.kind],
        sealed=note.sealed.decode("ascii"),
        arrived_ms=note.arrived_ms,
        digest=note.digest,
        generation=note.generation,
        claim=_Claim(**_fields(note.claim)) if note.claim else None,
    )
    return msgspec.json.encode(value).decode()


def read(annotations: Mapping[str, str]) -> dict[str, Note]:
    """The notes among a pod's annotations, by request_id; what is none is left out, and told."""
    notes = {}
    for name, text in annotations.items():
        if not name.startswith(names.NOTE):
            continue
        try:
            note = _note(text)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            _logger.error("note_unreadable", extra={"annotation": name})  # noqa: TRY400 - no fault of ours
            continue
        notes[note.request_id] = note
    return notes


def room_taken(annotations: Mapping[str, str]) -> int:
    """Bytes, counted as Kubernetes does."""
    return sum(_size(name, text) for name, text in annotations.items())


def waiting_bytes(notes: Iterable[Note]) -> int:
    """What the waiting ones among these take."""
    waiting = (note for note in notes if note.kind == "waiting")
    return sum(_size(key(note.request_id), written(note)) for note in waiting)


def _note(text: str) -> Note:
    value = _decoder.decode(text)
    return Note(
        request_id=value.request_id,
        kind=_KINDS[value.kind],
        sealed=value.sealed.encode("ascii"),
        arrived_ms=value.arrived_ms,
        digest=value.digest,
        generation=value.generation,
        claim=Claim(**_fields(value.claim)) if value.claim else None,
    )


def _fields(claim: Claim | _Claim) -> dict[str, Any]:
    return {name: getattr(claim, name) for name in _Claim.__struct_fields__}


def _size(name: str, text: str) -> int:
    return len(name.encode()) + len(text.encode())
