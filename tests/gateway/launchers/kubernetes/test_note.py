"""Notes as annotations, and the patch that changes them."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime.journal.ticket_budget import VOLATILE_MAX_BYTES, note_bytes
from gateway.delivery.ticket import seal
from gateway.errors import Exhausted, Unavailable
from gateway.http.forms import (
    BackendName,
    LabelName,
    LabelValue,
    ModelName,
    Owner,
    ToolGlob,
    VariableName,
)
from gateway.launchers.kubernetes import names, note
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.notebook import patch
from gateway.launchers.kubernetes.objects import Metadata
from gateway.launchers.kubernetes.template import MAX_ANNOTATIONS_BYTES
from gateway.launchers.notes import Claim, Edit, Note
from gateway.model import AgentSpec, Target
from gateway.relay.pods.claims import Claims, losses, unix_ms
from tests.gateway.launchers.kubernetes.manifests import KEYRING
from tests.gateway.relay.pods import town

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


@pytest.mark.parametrize("request_id_bytes", [4, 20, 128])
@pytest.mark.parametrize("url", ["http://a.example", "http://a.example/" + "x" * 2031])
def test_whatever_an_agent_has_taken_fits_and_so_do_all_its_finals(
    request_id_bytes: int, url: str
) -> None:
    """As many turns as its journal admits, noted beside the longest facts and template: each can
    be claimed, with a reason, while the final of none is taken, and there is room left for what
    else a cluster annotates."""
    plain = {**_longest_facts().annotations(), names.DRAINED: "u" * 36}
    plain["example.com/template"] = "t" * MAX_ANNOTATIONS_BYTES
    pod = town.pod(
        KEYRING,
        fate="lost",
        reason="Evicted",
        message='the node was "low" on resource: ephemeral-storage ' * 20,
        notes=_as_many_as_admitted(request_id_bytes, url),
    )
    while claimed := Claims("0123abcd").to_end(pod, losses(pod)):
        assert all("gone: Evicted" in one.claim.message for one in claimed if one.claim)
        pod = replace(pod, notes={**pod.notes, **{one.request_id: _failed(one) for one in claimed}})
    assert all(one.claim for one in pod.notes.values())
    noted = {note.key(one.request_id): note.written(one) for one in pod.notes.values()}
    assert note.room_taken({**plain, **noted}) < note.MAX_BYTES - 8 * 1024


def _as_many_as_admitted(request_id_bytes: int, url: str) -> dict[str, Note]:
    target = Target(webhook_url=url)
    notes: dict[str, Note] = {}
    taken_bytes = 0
    while True:
        name = f"{len(notes):04}".ljust(request_id_bytes, "x")
        ticket = seal(KEYRING, agent_id="agt-0123456789abcdef", request_id=name, target=target)
        taken_bytes += note_bytes(name, ticket)
        if taken_bytes > VOLATILE_MAX_BYTES:
            return notes
        notes[name] = Note(request_id=name, kind="open", sealed=ticket, arrived_ms=2**41)


def _failed(one: Note) -> Note:
    """Its final was not taken, many times: it is due in a while."""
    assert one.claim
    later_ms = unix_ms() + 600_000
    claim = replace(one.claim, attempts=999, first_failure_ms=2**41, not_before_ms=later_ms)
    return replace(one, claim=claim)


def _longest_facts() -> AgentFacts:
    """As long as the API takes them."""
    labels = {
        f"{number:02}".ljust(LabelName.longest, "l"): "v" * LabelValue.longest
        for number in range(50)
    }
    env = {f"E{number:02}".ljust(VariableName.longest, "_"): "" for number in range(100)}
    rule = {"tool": '"' * ToolGlob.longest, "action": "reject"}
    policy = {"rules": [rule] * 64, "timeout_s": 86_399.999, "on_timeout": "reject"}
    spec = AgentSpec(
        agent_id="agt-0123456789abcdef",
        user_id="\U0001f600" * Owner.longest,
        backend="b" * BackendName.longest,
        model="\U0001f600" * ModelName.longest,
        policy=msgspec.json.encode(policy).decode(),
        env=env,
        labels=labels,
    )
    return AgentFacts.of(spec, key_id="k12345678", created_at=datetime.now(UTC))


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
