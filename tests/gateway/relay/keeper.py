"""The part of an agent's journal: turns that are opened again when their wait is over."""

import asyncio
from collections.abc import Sequence

from proto.agent.v1 import agent_pb2
from tests.gateway.relay.house import House
from tests.peers.agent import PeerRelay

Events = Sequence[agent_pb2.AgentResponse]


class Keeper:
    """Keeps the events of some turns of one relay until they are acknowledged."""

    def __init__(self, home: House, relay: PeerRelay) -> None:
        self._home = home
        self._relay = relay
        self._turns: dict[str, Events] = {}
        self._parks = 0

    def open(self, request_id: str, *events: agent_pb2.AgentResponse) -> None:
        self._turns[request_id] = events
        self._send(request_id)

    async def delivered(self) -> None:
        """Wait until every turn's last event is acknowledged; opens what was parked when due."""
        await self._relay.until(self._look)

    def _look(self) -> bool:
        loop = asyncio.get_running_loop()
        parks = self._relay.marks("park")
        for park in parks[self._parks :]:
            loop.call_later(park.delay_ms / 1000, self._send, park.request_id)
        self._parks = len(parks)
        return all(self._acked(turn) >= events[-1].seq for turn, events in self._turns.items())

    def _acked(self, request_id: str) -> int:
        return max((seq for turn, _, seq in self._relay.acks if turn == request_id), default=0)

    def _send(self, request_id: str) -> None:
        acked = self._acked(request_id)
        self._relay.open_turn(request_id, self._home.ticket(request_id))
        self._relay.events(*[event for event in self._turns[request_id] if event.seq > acked])
