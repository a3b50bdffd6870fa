"""Whether what a pod has taken can still be expected of it."""

from datetime import datetime, timedelta

from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.objects import Pod
from gateway.launchers.notes import Fate


def fate(pod: Pod, *, answers: bool, start_deadline_s: float, now: datetime) -> Fate:
    """`answers`: its gRPC has answered since its container started."""
    deleted_at = pod.metadata.deletion_timestamp
    if pod.status.phase in ("Failed", "Succeeded"):
        return "lost"
    if deleted_at is not None:  # the time at which its grace period is over
        return "lost" if now > deleted_at else "ending"
    if not answers and not is_drained(pod) and now > _due(pod, start_deadline_s):
        return "start_failed"
    return "living"


def is_drained(pod: Pod) -> bool:
    """Whether no message waits any more for this very pod to come up."""
    return pod.metadata.annotations.get(names.DRAINED) == pod.metadata.uid


def _due(pod: Pod, start_deadline_s: float) -> datetime:
    created_at = pod.metadata.creation_timestamp
    assert created_at is not None, "the API server gives every object one"
    return created_at + timedelta(seconds=start_deadline_s)
