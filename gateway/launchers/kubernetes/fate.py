"""Whether what a pod has taken can still be expected of it."""

from datetime import UTC, datetime, timedelta

from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.objects import Pod
from gateway.launchers.notes import Fate

PATIENCE_S = 30.0
"""A gateway that has just started has not heard yet of those that answer."""


def fate(
    pod: Pod, *, answers: bool, silent_since: datetime, start_deadline_s: float, now: datetime
) -> Fate:
    """`answers`: its gRPC has answered since its container started; `silent_since`: from when on
    this gateway has had no answer."""
    if is_lost(pod, now=now):
        return "lost"
    if pod.metadata.deletion_timestamp is not None:
        return "ending"
    if not answers and not is_drained(pod) and now > _due(pod, silent_since, start_deadline_s):
        return "start_failed"
    return "living"


def is_lost(pod: Pod, *, now: datetime | None = None) -> bool:
    """Whether it has ended, or should have. `now`: unset, this very moment."""
    deleted_at = pod.metadata.deletion_timestamp  # when its grace period is over
    over = deleted_at is not None and (now or datetime.now(UTC)) > deleted_at
    return over or pod.status.phase in ("Failed", "Succeeded")


def is_drained(pod: Pod) -> bool:
    """Whether no message waits any more for this very pod to come up."""
    return pod.metadata.annotations.get(names.DRAINED) == pod.metadata.uid


def _due(pod: Pod, silent_since: datetime, start_deadline_s: float) -> datetime:
    created_at = pod.metadata.creation_timestamp
    assert created_at is not None, "the API server gives every object one"
    patience = timedelta(seconds=min(PATIENCE_S, start_deadline_s))
    return max(created_at + timedelta(seconds=start_deadline_s), silent_since + patience)
