"""A real backend under the real runner: turns with policies, prompts and replies to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.protocol import Backend
from agent_runtime.journal.journal import Journal
from agent_runtime.turns.command import check
from agent_runtime.turns.runner import Runner
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.commands import interrupt
from tests.agent_runtime.turns.bench import runner_of

_LIMIT_S = 90
"""Of a turn; the first one starts the CLI."""
Hear = Callable[["Work", dict[str, Any]], Awaitable[None]]
"""Called with the data of an asked event in the moment in which it can be read."""


async def listen(_: "Work", __: dict[str, Any]) -> None:
    """And say nothing."""


async def answer(work: "Work", asked: dict[str, Any]) -> None:
    """Allow what is asked for; of questions the B."""
    if "questions" in asked:
        await work.reply(asked["prompt_id"], answers=["B"] * len(asked["questions"]))
    else:
        await work.reply(asked["prompt_id"], decision="once")


async def give_up(work: "Work", _: dict[str, Any]) -> None:
    await work.runner.submit(interrupt(f"interrupt-{work.number()}"))


class Work:
    def __init__(self, journal: Journal, runner: Runner) -> None:
        self.journal = journal
        self.runner = runner
        self._numbers = 0

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    @property
    def open(self) -> set[str]:
        """The prompts that wait for an answer."""
        return {prompt.prompt_id for prompt, _ in self.journal.prompts.opened()}

    async def reply(
        self, prompt_id: str, *, decision: str = "", answers: Sequence[str] = ()
    ) -> None:
        """Raises what the runner refuses it with."""
        chosen = [agent_pb2.Chosen(answers=[each]) for each in answers]
        told = agent_pb2.ReplyRequest(prompt_id=prompt_id, decision=decision, answers=chosen)
        request_id = f"reply-{self.number()}"
        await self.runner.submit(check(agent_pb2.AgentRequest(request_id=request_id, reply=told)))

    async def say(
        self, content: str, *, policy: agent_pb2.Policy | None = None, hear: Hear = listen
    ) -> tuple[agent_pb2.AgentResponse, list[dict[str, Any]]]:
        """The final of a turn, and what was asked in it."""
        said = agent_pb2.SendMessageRequest(content=content, policy=policy)
        request_id = f"turn-{self.number()}"
        request = agent_pb2.AgentRequest(request_id=request_id, send_message=said)
        accepted = await self.runner.submit(check(request))
        asked: list[dict[str, Any]] = []
        async with asyncio.timeout(_LIMIT_S):
            async for response in self._responses(accepted.turn.turn):
                if response.is_final:
                    return response, asked
                if response.event.kind in ("permission.asked", "question.asked"):
                    asked.append(msgspec.json.decode(response.event.data_json))
                    await hear(self, asked[-1])
        raise AssertionError

    async def _responses(self, turn: int) -> AsyncIterator[agent_pb2.AgentResponse]:
        """Each as soon as it can be read."""
        cursor, watch = self.journal.cursor(turn, None), self.journal.watch()
        try:
            while True:
                for row in cursor.take():
                    yield row.response
                await watch.changed()
        finally:
            watch.close()


@asynccontextmanager
async def at_work(folder: Path, backend: Backend) -> AsyncIterator[Work]:
    async with Journal(folder) as journal:
        runner = runner_of(journal, folder, backend, turn_limit_s=_LIMIT_S)
        await runner.recover()
        running = asyncio.create_task(runner.run())
        try:
            yield Work(journal, runner)
        finally:
            runner.hurry()
            await runner.drain()
            await running
