"""Tells gateways that something is due to be delivered and nobody relays it."""

import asyncio
import logging
import random
from pathlib import Path

import grpc

from agent_runtime.journal.journal import Journal
from agent_runtime.server.relay_slot import RelaySlot
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.2
LAST_DELAY_S = 10.0
_CALL_S = 1.0
_TRIES = 3
"""Of one address at a time: behind it may be several gateways, some of them dead."""
_DIRECTORY = "dir:"

_CHANNEL = (
    # Each try is a connection of its own, and none waits for what another one has met with.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


class Nudger:
    """One task. `where`: `host:port`, behind which any gateway may answer, or `dir:/folder`
    whose gateway-*.sock are tried in random order until one answers; "": nobody is nudged."""

    def __init__(self, *, agent_id: str, where: str, journal: Journal, slot: RelaySlot) -> None:
        self._agent_id = agent_id
        self._where = where
        self._journal = journal
        self._slot = slot

    async def run(self) -> None:
        """For life."""
        while self._where:
            await self._slot.wait_free()
            await self._wait_due()
            await self._nudge_until_taken()

    async def _wait_due(self) -> None:
        """Watches only meanwhile: while a relay is attached nobody would read what was noted."""
        watch = self._journal.watch()
        try:
            while (due_in_ms := self._journal.outstanding.due_in_ms()) != 0:
                if due_in_ms is None:
                    await watch.changed()
                else:  # the clock may be set meanwhile
                    await watch.changed(timeout_s=min(due_in_ms / 1000, LAST_DELAY_S))
        finally:
            watch.close()

    async def _nudge_until_taken(self) -> None:
        delay_s = FIRST_DELAY_S
        while not await self._taken_within(delay_s * random.uniform(0.75, 1.25)):  # noqa: S311 - jitter
            if self._journal.outstanding.due_in_ms() != 0:
                return
            await self._nudge_any()
            delay_s = min(delay_s * 2, LAST_DELAY_S)

    async def _taken_within(self, delay_s: float) -> bool:
        try:
            async with asyncio.timeout(delay_s):
                await self._slot.wait_taken()
        except TimeoutError:
            return False
        return True

    async def _nudge_any(self) -> None:
        for target in self._targets():
            if await self._nudge(target):
                return

    def _targets(self) -> list[str]:
        if not self._where.startswith(_DIRECTORY):
            return [self._where] * _TRIES
        folder = Path(self._where.removeprefix(_DIRECTORY))
        targets = [f"unix:{socket}" for socket in folder.glob("gateway-*.sock")]
        random.shuffle(targets)
        return targets

    async def _nudge(self, target: str) -> bool:
        async with grpc.aio.insecure_channel(target, options=_CHANNEL) as channel:
            stub = relay_pb2_grpc.NudgeServiceStub(channel)
            try:
                await stub.Nudge(relay_pb2.NudgeRequest(agent_id=self._agent_id), timeout=_CALL_S)
            except grpc.aio.AioRpcError as error:
                log.debug("nudge_failed", extra={"target": target, "code": error.code().name})
                return False
        return True
