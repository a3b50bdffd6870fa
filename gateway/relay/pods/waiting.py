"""Messages for a pod that has never been ready wait on it, sealed."""

from typing import Literal

from gateway.errors import Conflict, Exhausted, NotFound, Unavailable
from gateway.keyring import Keyring
from gateway.launchers.notes import Edit, Note, Notes, PodNotes
from gateway.relay.pods import sealed
from gateway.relay.pods.claims import unix_ms
from gateway.relay.pods.drain import Drain
from gateway.relay.pods.keeper import Keeper
from proto.relay.v1 import relay_pb2

_FULL_RETRY_S = 5

Taken = Literal["noted", "repeated"]


class Waiting:
    """Notes are made only while the pod is not drained, so none is overtaken."""

    def __init__(self, notes: Notes, keyring: Keyring, keeper: Keeper, drain: Drain) -> None:
        self._notes = notes
        self._keyring = keyring
        self._keeper = keeper
        self._drain = drain

    async def take(self, agent_id: str, submit: relay_pb2.SubmitRequest) -> Taken | None:
        """Whether the command waits on the agent's pod now, or did already; None: it need
        not, the agent itself takes it.

        Raises:
            Conflict: the request_id stands for other content.
            Unavailable: there is no room, the pod is on its way out or could not be
                started, or it cannot be told now; says why.
        """
        pod = self._notes.of(agent_id)
        if pod is not None and pod.drained:
            return None
        if pod is not None and pod.answers:
            await self._keeper.drained(agent_id)
            return None
        try:
            return await self._note(agent_id, submit)
        except NotFound as error:
            raise Unavailable(f"agent {agent_id} has no pod at the moment") from error
        except Exhausted as error:
            raise Unavailable(
                f"agent {agent_id} has not started yet and no more messages may wait for it",
                retry_after_s=_FULL_RETRY_S,
            ) from error
        finally:
            self._keeper.look(agent_id)

    async def insist(self, agent_id: str) -> None:
        """The agent says that it is not drained, whatever its pod says: see to it.

        Raises:
            GatewayError: not now.
        """
        await self._drain.run(agent_id)

    async def _note(self, agent_id: str, submit: relay_pb2.SubmitRequest) -> Taken | None:
        request_id = submit.request.request_id
        digest = sealed.digest(submit)
        note_sealed = sealed.seal(self._keyring, agent_id, submit)

        def decide(pod: PodNotes) -> Edit | None:
            known = pod.notes.get(request_id)
            if pod.drained or known is not None:
                return None
            _check_fate(pod)
            arrived_ms = max([unix_ms(), *(note.arrived_ms + 1 for note in pod.notes.values())])
            note = Note(
                request_id=request_id,
                kind="waiting",
                sealed=note_sealed,
                arrived_ms=arrived_ms,
                digest=digest,
            )
            return Edit(put=[note])

        pod = await self._notes.edit(agent_id, decide)
        note = pod.notes.get(request_id)
        if note is None or note.kind == "open":
            return None  # it is drained: its journal knows, or will
        if note.digest != digest:
            raise Conflict(f"request_id: {request_id} was used for other content")
        return "noted" if note.sealed == note_sealed else "repeated"


def _check_fate(pod: PodNotes) -> None:
    why = ": ".join(filter(None, (pod.reason, pod.message)))
    if pod.fate == "start_failed":
        raise Unavailable(f"agent {pod.agent_id} could not be started: {why or 'no reason told'}")
    if pod.fate == "lost":
        raise Unavailable(f"agent {pod.agent_id} has ended: {why or 'its pod has'}")
    if pod.fate == "ending":
        raise Unavailable(f"the pod of agent {pod.agent_id} is being deleted")
