"""An agent with one of the real CLIs: journal, runner and what it tells of the conversation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.message import Attachment
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import Backend
from agent_runtime.journal.journal import Journal
from agent_runtime.server.messages import messages
from agent_runtime.turns.command import check
from agent_runtime.turns.drained import Drained
from agent_runtime.turns.policy import Policy
from agent_runtime.turns.recall import Recall
from agent_runtime.turns.runner import Runner
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.commands import interrupt
from tests.agent_runtime.turns.bench import snapshots

_TURN_S = 90

Messages = list[dict[str, Any]]


class Living:
    """What a runtime is made of, without its server."""

    def __init__(self, journal: Journal, runner: Runner, recall: Recall) -> None:
        self.journal = journal
        self.runner = runner
        self._recall = recall

    async def say(self, request_id: str, content: str, *files: Attachment) -> None:
        """A turn, to its end."""
        await self.begin(request_id, content, *files)
        await self.ended(request_id)

    async def begin(self, request_id: str, content: str, *files: Attachment) -> None:
        attached = [
            agent_pb2.Attachment(filename=one.filename, mime_type=one.mime_type, data=one.data)
            for one in files
        ]
        send = agent_pb2.SendMessageRequest(content=content, attachments=attached)
        request = agent_pb2.AgentRequest(request_id=request_id, send_message=send)
        await self.runner.submit(check(request))

    async def ended(self, request_id: str) -> None:
        await self._until(lambda: self.journal.turn(request_id).ended)

    async def another(self, request_id: str, *, fork: bool) -> None:
        """Another session from the next turn on."""
        wanted = agent_pb2.NewSessionRequest(fork=fork)
        request = agent_pb2.AgentRequest(request_id=request_id, new_session=wanted)
        await self.runner.submit(check(request))
        await self.ended(request_id)

    async def interrupt(self, target: str) -> None:
        await self.runner.submit(interrupt(f"stop-{target}", target))

    async def until_said(self, request_id: str, text: str) -> None:
        """The turn's events have that text."""
        cursor = self.journal.cursor(self.journal.turn(request_id).turn, None)
        await self._until(
            lambda: any(text in str(row.response.event.data_json) for row in cursor.take())
        )

    async def _until(self, condition: Callable[[], bool]) -> None:
        watch = self.journal.watch()
        try:
            async with asyncio.timeout(_TURN_S):
                while not condition():
                    await watch.changed()
        finally:
            watch.close()

    async def page(self, **request: Any) -> tuple[Messages, str]:
        told = await messages(self.journal, self._recall, agent_pb2.MessagesRequest(**request))
        return [msgspec.json.decode(one) for one in told.messages_json], told.next_cursor

    async def all(self) -> Messages:
        told, cursor = await self.page()
        assert not cursor
        return told

    async def trim(self) -> None:
        """No event is kept any more."""
        await self.journal.caught_up()
        self.journal._space._max_bytes = 0
        await self.journal._space.trim()


@asynccontextmanager
async def living(folder: Path, backend: Backend) -> AsyncIterator[Living]:
    """As a runtime does it; at the end the CLI is ended, as by a kill of the runtime."""
    folder.mkdir(exist_ok=True)
    async with Journal(folder) as journal:
        workspace = snapshots(journal, folder)
        runner = Runner(
            journal=journal,
            drained=Drained(journal, ""),
            backend=backend,
            mode=PermissionMode.BYPASS,
            policy=Policy(),
            snapshots=workspace,
            turn_limit_s=_TURN_S,
            grace_s=0.2,
        )
        await runner.recover()
        await workspace.begin()
        running = asyncio.create_task(runner.run(), name="runner")
        try:
            yield Living(journal, runner, Recall(journal, backend, runner.wakeup.wish))
        finally:
            runner.hurry()
            await runner.drain()
            await running
