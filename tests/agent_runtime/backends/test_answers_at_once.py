"""Whoever reads that something is asked can answer it, of every backend that asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends.protocol import Backend
from agent_runtime.journal.journal import Journal
from agent_runtime.turns.command import check
from agent_runtime.turns.runner import Runner
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.backends.rigs import AcpRig, ModelRig
from tests.agent_runtime.commands import message
from tests.agent_runtime.turns.bench import runner_of
from tests.peers.stub_model import Call, Say

_LIMIT_S = 60


@pytest.fixture(params=["acp", "claude_code", "codex", "opencode"])
def asking_rig(request: pytest.FixtureRequest) -> ModelRig:
    rig: ModelRig = request.getfixturevalue(request.param)
    return rig


class Answerer:
    """Answers what is asked in a turn in the moment in which the event can be read.

    `open_then`: of each prompt, whether the list of open ones had it then.
    """

    def __init__(self, journal: Journal, runner: Runner) -> None:
        self._journal = journal
        self._runner = runner
        self.open_then: dict[str, bool] = {}

    async def run(self, content: str) -> agent_pb2.AgentResponse:
        """A turn to its final."""
        accepted = await self._runner.submit(message("r1", content))
        cursor = self._journal.cursor(accepted.turn.turn, None)
        watch = self._journal.watch()
        try:
            async with asyncio.timeout(_LIMIT_S):
                while True:
                    for row in cursor.take():
                        if row.response.is_final:
                            return row.response
                        await self._hear(row.response.event)
                    await watch.changed()
        finally:
            watch.close()

    async def _hear(self, event: agent_pb2.EventPayload) -> None:
        if event.kind not in ("permission.asked", "question.asked"):
            return
        data = msgspec.json.decode(event.data_json)
        opened = {prompt.prompt_id for prompt, _ in self._journal.prompts.opened()}
        self.open_then[data["prompt_id"]] = data["prompt_id"] in opened
        told = agent_pb2.ReplyRequest(prompt_id=data["prompt_id"])
        if "questions" in data:
            told.answers.extend(agent_pb2.Chosen(answers=["B"]) for _ in data["questions"])
        else:
            told.decision = "once"
        request_id = f"answer-{len(self.open_then)}"
        await self._runner.submit(check(agent_pb2.AgentRequest(request_id=request_id, reply=told)))


@asynccontextmanager
async def answering(folder: Path, backend: Backend) -> AsyncIterator[Answerer]:
    async with Journal(folder) as journal:
        runner = runner_of(journal, folder, backend)
        await runner.recover()
        work = asyncio.create_task(runner.run())
        try:
            yield Answerer(journal, runner)
        finally:
            runner.hurry()
            await runner.drain()
            await work


async def test_what_can_be_read_can_be_answered(asking_rig: ModelRig, tmp_path: Path) -> None:
    """The prompt is there with the first sight of its event: listed, and open to a reply."""
    asks: list[Call] = [asking_rig.run(f"rm -f {number}") for number in range(6)]
    if not isinstance(asking_rig, AcpRig):  # has no questions
        asks.append(asking_rig.ask("Which?", "A", "B"))
    content = asking_rig.script(*asks, Say("Done."))
    async with answering(tmp_path, asking_rig.make()) as answerer:
        final = await answerer.run(content)
    assert final.outcome == agent_pb2.OUTCOME_COMPLETED
    assert list(answerer.open_then.values()) == [True] * len(asks)
