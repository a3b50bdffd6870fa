"""The ledger: for which turns of which agents this gateway answers."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from gateway.launchers.notes import Notes
from gateway.relay.pods.claims import bars_relay
from gateway.relay.pods.open_notes import Held, OpenNotes
from gateway.relay.timing import STANDARD, Timing


class Ledger:
    """Owner of the OpenNotes of agents; they outlive relays, by seconds. Event loop only."""

    def __init__(self, notes: Notes, *, timing: Timing = STANDARD) -> None:
        self._notes = notes
        self._timing = timing
        self._agents: dict[str, OpenNotes] = {}
        self._relayed: dict[str, str] = {}
        self._ended_s: dict[str, float] = {}
        self._gone: Callable[[str], None] = lambda _: None

    def tell_gone(self, gone: Callable[[str], None]) -> None:
        """From now on `gone` is told of agents whose pods are not there any more."""
        self._gone = gone

    def bars(self, agent_id: str) -> bool:
        """Whether nobody is to relay the agent: its turns are being ended from here."""
        pod = self._notes.of(agent_id)
        return pod is not None and (pod.fate == "lost" or bars_relay(pod))

    def of(self, agent_id: str) -> OpenNotes | None:
        """For a relay of the agent; None: its journal outlives its pod."""
        pod = self._notes.of(agent_id)
        if pod is not None and pod.keeps_journal:
            return None
        self._ended_s.pop(agent_id, None)
        found = self._agents.get(agent_id)
        if found is None:
            found = self._agents[agent_id] = OpenNotes(
                agent_id, self._notes, timing=self._timing, gone=lambda: self._gone(agent_id)
            )
        return found

    def accepted(self, agent_id: str, request_id: str, ticket: bytes) -> None:
        """The agent has taken a turn and nobody relays it: answered for until somebody does."""
        if found := self.of(agent_id):
            found.accepted(request_id, ticket)
            self._ended_s[agent_id] = asyncio.get_running_loop().time()

    def begin(self, agent_id: str, drained_as: str) -> None:
        """The agent has greeted a relay, which is told anew whatever is unsettled.

        `drained_as`: the UID of the pod under which its journal was drained, as it says.
        """
        self._relayed[agent_id] = drained_as
        if found := self._agents.get(agent_id):
            found.forget()

    def drained(self, agent_id: str, pod_uid: str) -> None:
        """The agent has been told that it is, since."""
        if agent_id in self._relayed:
            self._relayed[agent_id] = pod_uid

    def drained_as(self, agent_id: str) -> str | None:
        """What the agent said when it greeted; None: this gateway does not relay it."""
        return self._relayed.get(agent_id)

    def end(self, agent_id: str, *, relayed_elsewhere: bool) -> None:
        """Its relay is over. What it held is answered for until it is on the pod."""
        if relayed_elsewhere:
            self._relayed.pop(agent_id, None)
            if found := self._agents.get(agent_id):
                found.forget()
        self._ended_s[agent_id] = asyncio.get_running_loop().time()

    def relays(self, agent_id: str) -> bool:
        """Whether this gateway relays the agent, or was the last that did a moment ago."""
        return agent_id in self._relayed

    def agents(self) -> list[str]:
        """Those with something unsettled."""
        return [agent_id for agent_id, found in self._agents.items() if found.held]

    def held(self, agent_id: str) -> Mapping[str, Held]:
        """What is unsettled and was relayed by this gateway last."""
        found = self._agents.get(agent_id)
        return found.held if found else {}

    def forget(self, agent_id: str, request_ids: Collection[str]) -> None:
        """Somebody else answers for these turns."""
        if found := self._agents.get(agent_id):
            found.forget(request_ids)

    def tidy(self) -> None:
        """Drop what is known of agents not relayed any more, once the pods know it."""
        before_s = asyncio.get_running_loop().time() - self._timing.others_s / 2
        for agent_id, ended_s in list(self._ended_s.items()):
            if ended_s > before_s:
                continue
            found = self._agents.get(agent_id)
            if found is not None and found.all_noted:
                found.forget()
            if found is None or found.idle:
                self._agents.pop(agent_id, None)
                self._relayed.pop(agent_id, None)
                del self._ended_s[agent_id]

    async def close(self) -> None:
        for found in list(self._agents.values()):
            await found.close()
        self._agents.clear()
        self._ended_s.clear()
