"""A runner at work, over a real journal and a scripted backend."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import Backend
from agent_runtime.errands import Errands
from agent_runtime.journal.journal import Journal
from agent_runtime.turns.diffs import Diffs
from agent_runtime.turns.drained import Drained
from agent_runtime.turns.policy import Policy
from agent_runtime.turns.recall import Recall
from agent_runtime.turns.runner import Runner
from agent_runtime.turns.snapshots import Snapshots
from agent_runtime.workspace.git import Git
from agent_runtime.workspace.repository import Repository
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.turns.scripted import Script, ScriptedBackend, echo


def snapshots(journal: Journal, folder: Path) -> Snapshots:
    """Of the workspace in that folder, which is made."""
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    git = Git(Errands(), folder=folder / "snapshots", workspace=workspace, env=os.environ)
    return Snapshots(journal.snapshots, Repository(git))


def runner_of(
    journal: Journal,
    folder: Path,
    backend: Backend,
    *,
    mode: PermissionMode = PermissionMode.ACCEPT_EDITS,
    policy: Policy | None = None,
    looks: Snapshots | None = None,
    turn_limit_s: float = 30,
) -> Runner:
    return Runner(
        journal=journal,
        drained=Drained(journal, ""),
        backend=backend,
        mode=mode,
        policy=policy or Policy(),
        snapshots=looks or snapshots(journal, folder),
        turn_limit_s=turn_limit_s,
        grace_s=0.2,
    )


class Bench:
    """A runner at work; the workspace is beside the journal."""

    def __init__(
        self,
        journal: Journal,
        folder: Path,
        backend: ScriptedBackend,
        mode: PermissionMode = PermissionMode.ACCEPT_EDITS,
        policy: Policy | None = None,
    ) -> None:
        self.journal = journal
        self.backend = backend
        self.workspace = folder / "workspace"
        self.snapshots = snapshots(journal, folder)
        self.diffs = Diffs(journal, self.snapshots)
        self.runner = runner_of(
            journal, folder, backend, mode=mode, policy=policy, looks=self.snapshots
        )
        self.recall = Recall(journal, backend, self.runner.wakeup.wish)
        self.task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        await self.runner.recover()
        await self.snapshots.begin()
        self.task = asyncio.create_task(self.runner.run())

    async def until(self, request_id: str) -> agent_pb2.AgentResponse:
        """The final of that turn; fails unless it is the only one and comes last."""
        watch = self.journal.watch()
        try:
            async with asyncio.timeout(10):
                while not self.journal.turn(request_id).ended:
                    await watch.changed()
        finally:
            watch.close()
        cursor = self.journal.cursor(self.journal.turn(request_id).turn, None)
        rows = cursor.take()
        while more := cursor.take():
            rows += more
        assert [row.response.is_final for row in rows].count(True) == 1
        assert rows[-1].response.is_final
        return rows[-1].response

    async def until_prompted(self, content: str) -> None:
        """That prompt has begun and its first event is on disk."""
        watch = self.journal.watch()
        try:
            async with asyncio.timeout(10):
                while content not in self.backend.prompts or not self.journal.latest_seq():
                    await watch.changed()
        finally:
            watch.close()


@asynccontextmanager
async def bench(
    folder: Path,
    script: Script = echo,
    *,
    mode: PermissionMode = PermissionMode.ACCEPT_EDITS,
    policy: Policy | None = None,
) -> AsyncIterator[Bench]:
    async with Journal(folder) as journal:
        made = Bench(journal, folder, ScriptedBackend(script), mode, policy)
        await made.begin()
        try:
            yield made
        finally:
            made.runner.hurry()
            await made.runner.drain()
            assert made.task is not None
            await made.task
