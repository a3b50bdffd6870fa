"""Notes as annotations, and the patch that changes them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Exhausted, Unavailable
from gateway.launchers.kubernetes import names, note
from gateway.launchers.kubernetes.notebook import patch
from gateway.launchers.kubernetes.objects import Metadata
from gateway.launchers.notes import Claim, Edit, Note

ID = st.from_regex(r"\A[A-Za-z0-9_-]{1,128}\Z")
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200)
MS = st.integers(0, 2**45)
CLAIMS = st.builds(
    Claim,
    holder=ASCII,
    renewed_ms=MS,
    code=st.sampled_from(["", "AGENT_LOST"]),
    message=st.text(st.characters(codec="utf-8")),
    at_ms=MS,
    attempts=st.integers(0, 1000),
    first_failure_ms=MS,
    not_before_ms=MS,
    apart=st.booleans(),
)
NOTES = st.builds(
    Note,
    request_id=ID,
    kind=st.sampled_from(["waiting", "open"]),
    sealed=ASCII.map(str.encode),
    arrived_ms=MS,
    digest=st.sampled_from(["", "ab" * 32]),
    generation=st.integers(1, 99),
    claim=st.none() | CLAIMS,
)
OPEN = Note(request_id="r1", kind="open", sealed=b"x" * 300, arrived_ms=1_700_000_000_000)
POD = Metadata(name="pod-1", uid="uid-1", resource_version="7", annotations={"forge.dev/x": "y"})


@given(NOTES)
def test_a_note_is_read_as_it_was_written(one: Note) -> None:
    """Every field, under a key that Kubernetes takes."""
    key = note.key(one.request_id)
    assert note.read({key: note.written(one), "other": "annotation"}) == {one.request_id: one}
    assert len(key.removeprefix(names.PREFIX)) <= 63


def test_what_is_no_note_is_left_out() -> None:
    """Whoever wrote it; the others are still read."""
    annotations = {names.NOTE + "1": "{", names.NOTE + "2": "{}", names.NOTE + "3": "[1]"}
    annotations[note.key("r1")] = note.written(OPEN)
    assert note.read(annotations) == {"r1": OPEN}


def test_open_notes_of_all_tickets_that_an_agent_may_have_fit_with_claims() -> None:
    """160 KiB of tickets, as short as they are made, and so many claims as there are at once."""
    ticket = b"x" * 400
    claim = Claim(holder="0123abcd", renewed_ms=1_700_000_000_000, code="AGENT_LOST")
    claim = replace(claim, message="m" * 400, at_ms=1_700_000_000_000, attempts=99)
    notes = [
        Note(request_id=f"req_{number:016x}", kind="open", sealed=ticket, arrived_ms=2**41)
        for number in range(160 * 1024 // len(ticket))
    ]
    notes[:32] = [replace(one, claim=claim) for one in notes[:32]]
    taken = note.room_taken({note.key(one.request_id): note.written(one) for one in notes})
    assert taken < note.MAX_BYTES - 8 * 1024


def test_the_patch_is_for_exactly_this_version_with_all_finalizers() -> None:
    """A merge patch replaces the list."""
    pod = Metadata(
        name="pod-1", uid="uid-1", resource_version="7", finalizers=("example.com/other",)
    )
    assert patch(pod, Edit(put=[OPEN], drained=True))["metadata"] == {
        "resourceVersion": "7",
        "annotations": {note.key("r1"): note.written(OPEN), names.DRAINED: "uid-1"},
        "finalizers": ["example.com/other", names.FINALIZER],
    }


def test_the_finalizer_goes_with_the_last_note() -> None:
    """And not before."""
    both = {note.key(name): note.written(replace(OPEN, request_id=name)) for name in ("a", "b")}
    pod = Metadata(resource_version="7", annotations=both, finalizers=(names.FINALIZER,))
    assert patch(pod, Edit(drop=["a"]))["metadata"] == {
        "resourceVersion": "7",
        "annotations": {note.key("a"): None},
        "finalizers": [names.FINALIZER],
    }
    assert patch(pod, Edit(drop=["a", "b"]))["metadata"] == {
        "resourceVersion": "7",
        "annotations": {note.key("a"): None, note.key("b"): None},
        "finalizers": [],
    }


def test_a_pod_that_is_being_deleted_takes_no_new_finalizer() -> None:
    """It is not even asked; one that has it can still be written on."""
    now = datetime.now(UTC)
    going = Metadata(name="pod-1", resource_version="7", deletion_timestamp=now)
    with pytest.raises(Unavailable, match="pod-1 is being deleted"):
        patch(going, Edit(put=[OPEN]))
    held = Metadata(resource_version="7", deletion_timestamp=now, finalizers=(names.FINALIZER,))
    assert patch(held, Edit(put=[OPEN]))


def test_more_than_a_pod_takes_is_not_sent() -> None:
    """Counted with what else is annotated; what only shrinks is always sent."""
    big = {"other": "x" * (note.MAX_BYTES - 100)}
    pod = Metadata(resource_version="7", annotations=big)
    with pytest.raises(Exhausted):
        patch(pod, Edit(put=[OPEN]))
    too_big = {**big, note.key("r1"): note.written(OPEN), note.key("r2"): "x" * 200}
    pod = Metadata(resource_version="7", annotations=too_big)
    assert patch(pod, Edit(drop=["r1"]))
