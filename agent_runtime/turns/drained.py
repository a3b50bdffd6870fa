"""Whether all that waited for this agent outside its journal has come in (Kubernetes)."""

from agent_runtime.errors import Invalid, NotDrained, UnknownTurn
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Command

_FACT = "drained"


class Drained:
    """Journalled under the pod's UID, so that it outlives the container and not the pod.

    A pod begins undrained, whatever its journal holds of pods before it; a runtime
    in no pod (`pod_uid` "") has nothing that waits elsewhere. Event loop only.
    """

    def __init__(self, journal: Journal, pod_uid: str) -> None:
        self._journal = journal
        self._pod_uid = pod_uid
        self._done = not pod_uid or journal.fact(_FACT) == pod_uid

    @property
    def uid(self) -> str:
        """The pod's UID once it is drained; "" before, and in no pod."""
        return self._pod_uid if self._done else ""

    async def tell(self, pod_uid: str) -> None:
        """Nothing waits outside any more; durable when this returns. Idempotent.

        Raises:
            Invalid: that is another pod.
        """
        if pod_uid != self._pod_uid:
            raise Invalid(f"pod_uid: this runtime is in pod {self._pod_uid or '(none)'}")
        if not self._done:
            await self._journal.put_fact(_FACT, pod_uid)
            self._done = True

    def admit(self, command: Command) -> None:
        """Let pass what waited, and repeats; the rest would overtake what still waits.

        Raises:
            NotDrained
        """
        if self._done or command.waited:
            return
        try:
            self._journal.turn(command.request.request_id)
        except UnknownTurn as unknown:
            raise NotDrained(
                "commands that came before this agent was ready are not all here yet; repeat soon"
            ) from unknown
