"""The scripted notes that the relay's tests use do what real ones do."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.launchers.notes import Notes, PodNotes
from tests.gateway.launchers.notes_contract import AGENT, NotesContract
from tests.peers.notes import Cluster


class ScriptedWorld:
    """A pod of a cluster in memory; one that is deleted is lost soon, and then vanishes."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.cluster.set(
            PodNotes(
                agent_id=AGENT,
                pod_uid="uid-1",
                key_id="k1",
                created_ms=1,
                drained=False,
                answers=True,
                keeps_journal=False,
                fate="living",
            )
        )
        self.one: Notes = self.cluster.view()
        self.other: Notes = self.cluster.view()
        self._kubelet: asyncio.Task[None] | None = None

    async def delete(self) -> None:
        self.cluster.change(AGENT, fate="ending")
        self._kubelet = asyncio.create_task(self._end(), name="kubelet")

    async def seen(self, notes: Notes, holds: Callable[[PodNotes | None], bool]) -> None:
        await self.cluster.noticed.until(lambda: holds(notes.of(AGENT)))

    async def close(self) -> None:
        if self._kubelet is not None:
            self._kubelet.cancel()
            await asyncio.wait({self._kubelet})

    async def _end(self) -> None:
        await asyncio.sleep(0.05)  # the grace period
        self.cluster.change(AGENT, fate="lost")
        await self.cluster.noticed.until(lambda: not self.cluster.notes(AGENT))
        self.cluster.remove(AGENT)


class TestScriptedNotes(NotesContract):
    """In memory."""

    @pytest.fixture
    async def world(self) -> AsyncIterator[ScriptedWorld]:
        world = ScriptedWorld()
        yield world
        await world.close()
