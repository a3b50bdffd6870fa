"""Why a pod is not ready, in words: what its conditions and its container's state mean."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.launchers import words
from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.objects import ContainerStatus, Pod, Terminated, Warned

_LONGEST = 1000
_PULL = {"ErrImagePull", "ImagePullBackOff"}
_NO_IMAGE = {"ErrImageNeverPull", "InvalidImageName"}
_CRASHED = {"CrashLoopBackOff", "RunContainerError", "StartError"}
_BEGINNING = {"ContainerCreating", "PodInitializing", ""}


@dataclass(frozen=True, slots=True)
class Trouble:
    """`reason`: one word, Kubernetes' own where it has one. `hopeless`: waiting longer is vain."""

    reason: str
    message: str = ""
    hopeless: bool = False


def trouble(pod: Pod, warned: Warned | None = None) -> Trouble | None:
    """None: its container runs, and the pod is not being deleted.

    `warned`: counts while the pod itself has nothing to say.
    """
    if pod.metadata.deletion_timestamp is not None:
        going = _joined("its pod is being deleted", _of_condition(pod, "DisruptionTarget"))
        return Trouble("Terminating", going, hopeless=True)
    if pod.status.phase in ("Failed", "Succeeded"):
        return _ended(pod)
    status = container(pod)
    if status is None:
        return _unscheduled(pod) or _init(pod) or _beginning("Starting", warned)
    if status.state.running is not None:
        return None
    return _unscheduled(pod) or _init(pod) or _waiting(status, warned)


def container(pod: Pod) -> ContainerStatus | None:
    """The agent's container, once kubelet has told of it."""
    found = (status for status in pod.status.container_statuses if status.name == names.CONTAINER)
    return next(found, None)


def how_it_ended(ended: Terminated) -> str:
    """With its last words."""
    how = f"ended with signal {ended.signal}" if ended.signal else f"ended with {ended.exit_code}"
    if ended.reason == "OOMKilled":
        how = "was killed because it used more memory than it may"
    elif ended.reason == "StartError":
        how = "could not be started"
    return _joined(how, [words.last(ended.message)])


def _ended(pod: Pod) -> Trouble:
    status = container(pod)
    last = how_it_ended(status.state.terminated) if status and status.state.terminated else ""
    told = [pod.status.message, *_of_condition(pod, "DisruptionTarget"), last]
    reason = pod.status.reason or pod.status.phase
    return Trouble(reason, _joined("its pod has ended", told), hopeless=True)


def _unscheduled(pod: Pod) -> Trouble | None:
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            message = _joined("no node takes it", [condition.message])
            return Trouble(condition.reason or "Unschedulable", message)
    return None


def _init(pod: Pod) -> Trouble | None:
    """An operator's template may have put containers before ours."""
    for status in pod.status.init_container_statuses:
        waiting, ended = status.state.waiting, status.state.terminated
        if ended is not None and ended.exit_code:
            return Trouble("InitError", f"init container {status.name} {how_it_ended(ended)}")
        if waiting is not None and waiting.reason not in _BEGINNING:
            message = _joined(f"init container {status.name} cannot run", [waiting.message])
            return Trouble(waiting.reason, message)
    return None


def _waiting(status: ContainerStatus, warned: Warned | None) -> Trouble:
    waiting = status.state.waiting
    ended = status.state.terminated or status.last_state.terminated
    reason = waiting.reason if waiting else ""
    told = [waiting.message] if waiting else []
    if reason in _PULL:
        return Trouble(reason, _joined("its image cannot be pulled", told))
    if reason in _NO_IMAGE:
        return Trouble(reason, _joined("its image cannot be used", told), hopeless=True)
    if ended is not None or reason in _CRASHED:
        how = how_it_ended(ended) if ended else _joined("cannot be run", told)
        return Trouble(reason or "Error", f"its container {how}"[:_LONGEST], hopeless=True)
    if reason in _BEGINNING:
        return _beginning(reason or "Starting", warned)
    return Trouble(reason, _joined("its container cannot be made", told))


def _beginning(reason: str, warned: Warned | None) -> Trouble:
    """It takes its time, or kubelet tries again and again to get what the pod wants."""
    if warned is None:
        return Trouble(reason)
    return Trouble(warned.reason, _joined("its pod cannot be started yet", [warned.message]))


def _of_condition(pod: Pod, kind: str) -> Iterable[str]:
    return [c.message for c in pod.status.conditions if c.type == kind and c.status == "True"]


def _joined(what: str, told: Iterable[str]) -> str:
    said = "; ".join(dict.fromkeys(filter(None, told)))
    return words.printable(f"{what}: {said}" if said else what)[:_LONGEST]
