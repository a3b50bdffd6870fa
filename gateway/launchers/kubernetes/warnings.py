"""What Kubernetes says of pods in events alone: a volume that cannot be mounted, for one."""

from collections.abc import Callable

from gateway.launchers.kubernetes.objects import Pod, Warned
from gateway.launchers.kubernetes.reflector import Reflector


class Warnings:
    """The last one of each pod, until Kubernetes forgets it (an hour later, as a rule)."""

    def __init__(self, events: Reflector[Warned]) -> None:
        self._latest: dict[str, Warned] = {}
        self._listeners: list[Callable[[str], None]] = []
        events.listen(self._changed)

    def of(self, pod: Pod) -> Warned | None:
        return self._latest.get(pod.metadata.uid)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Told the name of every pod of which there is something new. It must return at once."""
        self._listeners.append(listener)

    def _changed(self, before: Warned | None, now: Warned | None) -> None:
        if now is None:
            if before is not None and self._latest.get(before.pod.uid) == before:
                del self._latest[before.pod.uid]
            return
        latest = self._latest.get(now.pod.uid)
        if latest is not None and latest.number > now.number:
            return
        self._latest[now.pod.uid] = now
        for listener in self._listeners:
            listener(now.pod.name)
