"""What a gateway makes of a pod that does not answer. No API server: only what it would say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.notebook import Notebook
from gateway.launchers.kubernetes.objects import Pod
from gateway.settings import Settings
from tests.gateway.launchers.kubernetes.test_agents import RUNNING, Caches, caches, metadata


@asynccontextmanager
async def long_ago(*, start_deadline_s: float) -> AsyncIterator[tuple[Caches, Notebook]]:
    """A pod made then, which a gateway that has just started sees now."""
    async with caches() as seen:
        notes = Notebook(ApiServer(Settings()), seen.agents, start_deadline_s=start_deadline_s)
        seen.pods.saw(seen.pod(1))
        yield seen, notes


def restarted(version: int) -> Pod:
    """Its container has been started again."""
    container = {"name": "forge-agent", "state": {"running": {}}, "containerID": f"c{version}"}
    status = {**RUNNING, "containerStatuses": [container]}
    return msgspec.convert({"metadata": metadata(version, uid="u1"), "status": status}, Pod)


async def fate_is(notes: Notebook, expected: str) -> None:
    async with asyncio.timeout(10):
        while getattr(notes.of("a1"), "fate", "") != expected:
            await asyncio.sleep(0.01)


async def test_a_gateway_that_has_just_started_asks_before_it_ends_turns() -> None:
    """The pod is long past its deadline, and undrained only because no gateway was there."""
    async with long_ago(start_deadline_s=600) as (_, notes):
        await fate_is(notes, "living")


async def test_what_stays_silent_has_failed_to_start() -> None:
    """Also when its container starts again and again."""
    async with long_ago(start_deadline_s=0.05) as (seen, notes):
        await fate_is(notes, "start_failed")
        seen.pods.saw(restarted(2))
        await fate_is(notes, "start_failed")


async def test_one_that_has_answered_and_starts_again_is_asked_anew() -> None:
    """It ran out of memory before it could be drained: it comes back, and so do its turns."""
    async with long_ago(start_deadline_s=1) as (seen, notes):
        await fate_is(notes, "start_failed")
        seen.agents._answers._answered.add("a1")
        seen.agents._answers._on_answer("a1")
        seen.pods.saw(restarted(2))
        state = notes.of("a1")
        assert state
        assert (state.answers, state.fate) == (False, "living")
