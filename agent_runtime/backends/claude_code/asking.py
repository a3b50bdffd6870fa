"""What the CLI asks during one prompt: carried to the sink, and the answer back."""

from functools import partial
from pathlib import Path

from agent_runtime.backends.asks import (
    PermissionAnswer,
    PermissionAsk,
    QuestionAnswer,
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
from agent_runtime.model import BackendEvent, Kind


class Asking:
    """Owned by the prompt's task. What it tells the CLI, `meanings` learns first."""

    def __init__(self, cli: Cli, sink: TurnSink, meanings: Meanings, workspace: Path) -> None:
        self._cli = cli
        self._sink = sink
        self._meanings = meanings
        self._workspace = workspace
        self._open = OpenAsks("claude")

    async def tell(self, event: Event, meant: BackendEvent) -> None:
        """Every event of the prompt, into the sink."""
        if event.type == "control_request" and (told := shape(event, shapes.ControlRequest)):
            await self._asked(told, meant)
            return
        if event.forwarded:
            await self._sink.emit(meant)
        if event.type == "control_cancel_request" and (gone := shape(event, shapes.Cancelled)):
            self._open.withdraw(gone.request_id)

    async def close(self) -> None:
        """The prompt is over: nobody waits for an answer any more."""
        await self._open.close()

    async def _asked(self, told: shapes.ControlRequest, meant: BackendEvent) -> None:
        asked, prompt_id = told.request, told.request_id
        if asked.subtype != "can_use_tool":
            await self._sink.emit(meant)
            await self._cli.refuse(prompt_id, f"{asked.subtype} is not supported")
            return
        ask = ask_of(told, self._workspace)
        match ask:
            case PermissionAsk():
                permission = await self._sink.permission(meant, ask)
                self._open.begin(prompt_id, permission, partial(self._permission, asked, ask))
            case QuestionAsk():
                question = await self._sink.question(meant, ask)
                self._open.begin(prompt_id, question, partial(self._question, asked, ask))

    async def _permission(
        self, asked: shapes.Asked, ask: PermissionAsk, answer: PermissionAnswer
    ) -> None:
        data = {"prompt_id": ask.prompt_id, "decision": answer.decision}
        self._meanings.answered(ask.prompt_id, Kind.PERMISSION_ANSWERED, data)
        await self._cli.answer(ask.prompt_id, permission_response(asked, answer))

    async def _question(
        self, asked: shapes.Asked, ask: QuestionAsk, answer: QuestionAnswer
    ) -> None:
        data = {"prompt_id": ask.prompt_id, "answers": answer.answers}
        self._meanings.answered(ask.prompt_id, Kind.QUESTION_ANSWERED, data)
        await self._cli.answer(ask.prompt_id, question_response(asked, ask, answer))
