"""What the CLI asks during one prompt: carried to the sink, and the answer back."""

from pathlib import Path

from agent_runtime.backends.asks import (
    PermissionAsk,
    QuestionAsk,
)
from agent_runtime.backends.claude_code import shapes
from agent_runtime.backends.claude_code.asked import (
    ask_of,
    permission_response,
    question_response,
)
from agent_runtime.backends.claude_code.cli import Cli
from agent_runtime.backends.claude_code.events import Event, shape
from agent_runtime.backends.claude_code.meaning import Meanings
from agent_runtime.backends.open_asks import OpenAsks
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.model import Kind


class Asking:
    """Owned by the prompt's task. What it tells the CLI, `meanings` learns first."""

    def __init__(self, cli: Cli, sink: TurnSink, meanings: Meanings, workspace: Path) -> None:
        self._cli = cli
        self._sink = sink
        self._meanings = meanings
        self._workspace = workspace
        self._open = OpenAsks("claude")

    async def observe(self, event: Event) -> None:
        """Every event of the prompt, after it has been emitted."""
        if event.type == "control_request" and (told := shape(event, shapes.ControlRequest)):
            await self._begin(told)
        elif event.type == "control_cancel_request" and (gone := shape(event, shapes.Cancelled)):
            self._open.withdraw(gone.request_id)

    async def close(self) -> None:
        """The prompt is over: nobody waits for an answer any more."""
        await self._open.close()

    async def _begin(self, told: shapes.ControlRequest) -> None:
        if told.request.subtype != "can_use_tool":
            await self._cli.refuse(told.request_id, f"{told.request.subtype} is not supported")
            return
        ask = ask_of(told, self._workspace)
        match ask:
            case PermissionAsk():
                self._open.begin(told.request_id, self._permission(told.request, ask))
            case QuestionAsk():
                self._open.begin(told.request_id, self._question(told.request, ask))

    async def _permission(self, asked: shapes.Asked, ask: PermissionAsk) -> None:
        answer = await self._sink.permission(ask)
        data = {"prompt_id": ask.prompt_id, "decision": answer.decision}
        self._meanings.answered(ask.prompt_id, Kind.PERMISSION_ANSWERED, data)
        await self._cli.answer(ask.prompt_id, permission_response(asked, answer))

    async def _question(self, asked: shapes.Asked, ask: QuestionAsk) -> None:
        answer = await self._sink.question(ask)
        data = {"prompt_id": ask.prompt_id, "answers": answer.answers}
        self._meanings.answered(ask.prompt_id, Kind.QUESTION_ANSWERED, data)
        await self._cli.answer(ask.prompt_id, question_response(asked, ask, answer))
