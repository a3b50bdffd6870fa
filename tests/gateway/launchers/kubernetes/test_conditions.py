"""Why a pod is not ready, from what Kubernetes says of it. States as they were seen on a node."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.errors import Conflict, NotFound, Unavailable
from gateway.launchers.kubernetes.conditions import trouble
from gateway.launchers.kubernetes.errors import Expired, Refused, Stale, Status, translate
from gateway.launchers.kubernetes.fate import fate
from gateway.launchers.kubernetes.objects import PODS, SECRETS, Pod
from gateway.launchers.kubernetes.refusals import refusal

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def pod(status: dict[str, Any] | None = None, **metadata: Any) -> Pod:
    known = {"name": "ada-a1", "uid": "u1", "creationTimestamp": NOW.isoformat(), **metadata}
    encoded = msgspec.json.encode({"metadata": known, "status": status or {"phase": "Pending"}})
    return msgspec.json.decode(encoded, type=Pod)


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "phase": "Pending",
        "containerStatuses": [{"name": "forge-agent", "state": state} | more],
    }


TERMINATED = {
    "lastState": {
        "terminated": {
            "exitCode": 1,
            "reason": "Error",
            "message": '{"event":"cannot_run","reason":"PERMISSION_MODE: nonsense"}\n',
        }
    }
}


@pytest.mark.parametrize(
    ("status", "reason", "message", "hopeless"),
    [
        ({"phase": "Pending"}, "Starting", "", False),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient cpu.",
                    }
                ],
            },
            "Unschedulable",
            "no node takes it: 0/1 nodes are available: 1 Insufficient cpu.",
            False,
        ),
        (waiting("ContainerCreating"), "ContainerCreating", "", False),
        (
            waiting("ImagePullBackOff", 'Back-off pulling image "x"'),
            "ImagePullBackOff",
            'its image cannot be pulled: Back-off pulling image "x"',
            False,
        ),
        (
            waiting("InvalidImageName", "bad"),
            "InvalidImageName",
            "its image cannot be used: bad",
            True,
        ),
        (
            waiting("CreateContainerConfigError", 'secret "x" not found'),
            "CreateContainerConfigError",
            'its container cannot be made: secret "x" not found',
            False,
        ),
        (
            waiting("CrashLoopBackOff", "back-off 10s", **TERMINATED),
            "CrashLoopBackOff",
            "its container ended with 1: PERMISSION_MODE: nonsense",
            True,
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "Usage of EmptyDir exceeds"},
            "Evicted",
            "its pod has ended: Usage of EmptyDir exceeds",
            True,
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    {"name": "setup", "state": {"terminated": {"exitCode": 3}}}
                ],
                "containerStatuses": [
                    {"name": "forge-agent", "state": {"waiting": {"reason": "PodInitializing"}}}
                ],
            },
            "InitError",
            "init container setup ended with 3",
            False,
        ),
    ],
)
def test_words(status: dict[str, Any], reason: str, message: str, hopeless: bool) -> None:
    """Kubernetes' own word, and a sentence; where waiting is vain, that is known."""
    why = trouble(pod(status))
    assert why is not None
    assert (why.reason, why.message, why.hopeless) == (reason, message, hopeless)


def test_oom_is_called_by_its_name() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    why = trouble(pod(waiting("CrashLoopBackOff", lastState=ended)))
    assert why is not None
    assert "more memory than it may" in why.message


def test_a_running_container_is_no_trouble() -> None:
    status = {
        "phase": "Running",
        "containerStatuses": [{"name": "forge-agent", "state": {"running": {}}}],
    }
    assert trouble(pod(status)) is None
    gone = pod(status, deletionTimestamp=NOW.isoformat())
    assert getattr(trouble(gone), "reason", "") == "Terminating"


def test_who_deletes_a_pod_is_named() -> None:
    """Where Kubernetes does so itself it says why."""
    cause = {"type": "DisruptionTarget", "status": "True", "message": "due to NoExecute taint"}
    why = trouble(
        pod({"phase": "Running", "conditions": [cause]}, deletionTimestamp=NOW.isoformat())
    )
    assert why is not None
    assert why.message == "its pod is being deleted: due to NoExecute taint"


def test_words_are_bounded_and_printable() -> None:
    """What nodes say goes to terminals."""
    why = trouble(pod(waiting("ErrImagePull", "\x1b[31m" + "x" * 5000)))
    assert why is not None
    assert len(why.message) <= 1000
    assert why.message.isprintable()


@pytest.mark.parametrize(
    ("status", "metadata", "answers", "age_s", "expected"),
    [
        ({"phase": "Running"}, {}, True, 9999, "living"),
        ({"phase": "Pending"}, {}, False, 599, "living"),
        ({"phase": "Pending"}, {}, False, 601, "start_failed"),
        ({"phase": "Running"}, {"annotations": {"forge.dev/drained": "u1"}}, False, 601, "living"),
        (
            {"phase": "Running"},
            {"annotations": {"forge.dev/drained": "u0"}},
            False,
            601,
            "start_failed",
        ),
        ({"phase": "Failed"}, {}, False, 1, "lost"),
        ({"phase": "Running"}, {"deletionTimestamp": 40}, True, 39, "ending"),
        ({"phase": "Running"}, {"deletionTimestamp": 40}, True, 41, "lost"),
    ],
)
def test_fate(
    status: dict[str, Any], metadata: dict[str, Any], answers: bool, age_s: int, expected: str
) -> None:
    """Lost is what will never speak again; a deletion's grace period is waited for."""
    if "deletionTimestamp" in metadata:
        ends_at = NOW + timedelta(seconds=metadata["deletionTimestamp"])
        metadata = {"deletionTimestamp": ends_at.isoformat()}
    now = NOW + timedelta(seconds=age_s)
    seen = pod(status, **metadata)
    told = fate(seen, answers=answers, silent_since=NOW, start_deadline_s=600, now=now)
    assert told == expected


@pytest.mark.parametrize(
    ("deadline_s", "silent_s", "expected"),
    [(600, 29, "living"), (600, 31, "start_failed"), (6, 5, "living"), (6, 7, "start_failed")],
)
def test_no_gateway_gives_up_before_it_has_asked(
    deadline_s: int, silent_s: int, expected: str
) -> None:
    """However old the pod is: so long as others are waited for, or as the deadline is."""
    now = NOW + timedelta(days=1)
    silent_since = now - timedelta(seconds=silent_s)
    told = fate(
        pod({"phase": "Running"}),
        answers=False,
        silent_since=silent_since,
        start_deadline_s=deadline_s,
        now=now,
    )
    assert told == expected


@pytest.mark.parametrize(
    ("message", "causes", "words", "passing"),
    [
        ('pods "x" is forbidden: exceeded quota: few, requested: pods=1', [], "quota", True),
        (
            'pods "x" is forbidden: violates PodSecurity "restricted:latest"',
            [],
            "Pod Security",
            False,
        ),
        (
            'pods "x" is forbidden: error looking up service account ns/y: not found',
            [],
            "service account is missing",
            False,
        ),
        (
            'pods "x" is forbidden: unable to create new content in namespace ns because it is '
            "being terminated",
            ["NamespaceTerminating"],
            "is being deleted",
            False,
        ),
        (
            'pods is forbidden: User "y" cannot create resource "pods" in API group ""',
            [],
            "lacks a permission",
            False,
        ),
        ("admission webhook said no", [], "the cluster refuses it: admission webhook", False),
    ],
)
def test_refusals_are_told_apart(
    message: str, causes: list[str], words: str, passing: bool
) -> None:
    """All are 403."""
    why = refusal(Refused(message, status=403, causes=causes), PODS, "ns")
    assert words in why.message
    assert message in why.message
    assert why.passing is passing


def test_a_taken_name_is_a_conflict_unless_it_passes() -> None:
    """What belonged to the last pod of that name goes a little later than that pod."""
    taken = Conflict('pods "x" already exists')
    assert isinstance(refusal(taken, PODS, "ns").as_error(), Conflict)
    assert not refusal(taken, PODS, "ns").passing
    assert refusal(taken, SECRETS, "ns").passing
    assert refusal(Stale("quota was changed"), PODS, "ns").passing


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", Conflict),
        (409, "Conflict", Stale),
        (410, "Expired", Expired),
        (429, "TooManyRequests", Unavailable),
        (503, "", Unavailable),
        (403, "Forbidden", Refused),
        (422, "Invalid", Refused),
    ],
)
def test_answers_become_our_errors(status: int, reason: str, kind: type[Exception]) -> None:
    """By status and reason; an answer without a body has words, too."""
    assert type(translate(status, Status(reason=reason))) is kind
    assert str(status) in str(translate(status, Status.read(b"<html>")))
