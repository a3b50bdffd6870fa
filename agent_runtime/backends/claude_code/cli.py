"""The process `claude`: started, greeted, asked by control requests."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from agent_runtime.backends.binary import Program
from agent_runtime.backends.claude_code import shapes
from agent_runtime.backends.claude_code.config import Home
from agent_runtime.backends.claude_code.events import answer_to
from agent_runtime.backends.claude_code.planned import Planned, is_session
from agent_runtime.backends.piped_cli import PipedCli, starting
from agent_runtime.backends.protocol import BackendContext
from agent_runtime.backends.shape import shape
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import BackendUnusable, Refused

PROGRAM = Program(
    name="claude",
    option="FORGE_CLAUDE_CODE_BIN",
    install="npm install -g @anthropic-ai/claude-code@2.1.329",
    oldest="2.1.329",
    too_new="3",
)
_ARGUMENTS = (
    *("--output-format", "stream-json", "--input-format", "stream-json"),
    *("--verbose", "--include-partial-messages", "--replay-user-messages"),
    *("--permission-prompt-tool", "stdio", "--permission-mode", "default"),
)
_BOOT_LIMIT_S = 60.0
_CALL_LIMIT_S = 30.0
_MAX_FORKS = 100
"""Of forks, each of the one before."""


class Cli(PipedCli):
    """`model` is the one it was told last; `models` are those that it lists."""

    def __init__(self, lines: JsonLines, model: str, models: Sequence[str]) -> None:
        super().__init__(lines)
        self.model = model
        self.models = models

    async def use_model(self, model: str) -> None:
        """From the next message on; "" for its own choice. Raises Refused, BackendCrashed."""
        if model != self.model:
            wanted = {"subtype": "set_model", "model": model or None}
            await control(self.lines, wanted, limit_s=_CALL_LIMIT_S)
            self.model = model

    async def say(self, message_id: str, content: list[dict[str, Any]]) -> None:
        """Hand over the user's message, whose id comes back when the CLI takes it up."""
        await self.lines.send(
            {
                "type": "user",
                "uuid": message_id,
                "message": {"role": "user", "content": content},
                "parent_tool_use_id": None,
            }
        )

    async def interrupt(self) -> None:
        """Its answer says nothing that the turn's result does not say."""
        number = str(self.lines.number())
        request = {"subtype": "interrupt"}
        await self.lines.send({"type": "control_request", "request_id": number, "request": request})

    async def answer(self, prompt_id: str, response: Mapping[str, Any]) -> None:
        told = {"subtype": "success", "request_id": prompt_id, "response": response}
        await self.lines.send({"type": "control_response", "response": told})

    async def refuse(self, prompt_id: str, reason: str) -> None:
        """A request that is none of the kinds we answer."""
        told = {"subtype": "error", "request_id": prompt_id, "error": reason}
        await self.lines.send({"type": "control_response", "response": told})


class Launch:
    """How the CLI is started: the binary, its folders and its environment."""

    def __init__(self, binary: str, context: BackendContext, planned: Planned) -> None:
        self._binary = binary
        self._planned = planned
        self._context = context
        self._home = Home(context.home)

    async def start(self, *, model: str, session_id: str) -> Cli:
        """One that goes on with that session, if it still knows it.

        Raises:
            BackendUnusable: it does not come up, or is of a version that is not supported;
                the message holds the end of what it wrote to standard error.
        """
        try:
            self._home.prepare(self._context.env)
        except OSError as error:
            raise BackendUnusable(f"the folder of claude cannot be made: {error}") from error
        argv = [self._binary, *_ARGUMENTS, *self._choices(model, session_id)]
        env = self._home.environment(self._context.env)
        async with starting(PROGRAM.name, argv, env, self._context, answer_to) as lines:
            return Cli(lines, model, await _greet(lines))

    def _choices(self, model: str, session_id: str) -> list[str]:
        chosen = ["--model", model] if model else []
        if not is_session(session_id):
            return chosen
        if self._knows(session_id):
            self._planned.forget(session_id)
            return [*chosen, "--resume", session_id]
        origin = self._known_origin(session_id)
        if origin is None:
            return chosen
        begun = ["--resume", origin, "--fork-session"] if origin else []
        return [*chosen, *begun, "--session-id", session_id]

    def _known_origin(self, session_id: str) -> str | None:
        """What a planned one begins as; a fork of a fork, in which nothing was said, as that one.

        "" for an empty one, None for one that is not planned: the CLI has lost it.
        """
        origin = self._planned.origin(session_id)
        for _ in range(_MAX_FORKS):
            if not origin or self._knows(origin):
                return origin
            origin = self._planned.origin(origin) or ""
        return ""

    def _knows(self, session_id: str) -> bool:
        return self._home.transcript(session_id) is not None


async def control(lines: JsonLines, request: Mapping[str, Any], *, limit_s: float) -> bytes:
    """What the CLI answers to a control request. Raises Refused, BackendCrashed."""

    def numbered(number: int) -> dict[str, Any]:
        return {"type": "control_request", "request_id": str(number), "request": request}

    raw = await lines.call(numbered, limit_s=limit_s)
    answer = msgspec.json.decode(raw, type=shapes.ControlResponse).response
    if answer.subtype != "success":
        raise Refused(f"claude refuses {request['subtype']}: {answer.error[:2000]}")
    return bytes(answer.response)


async def _greet(lines: JsonLines) -> Sequence[str]:
    """The models that it lists."""
    greeting = {"subtype": "initialize", "hooks": None}
    raw = await control(lines, greeting, limit_s=_BOOT_LIMIT_S)
    told = shape(raw, shapes.Initialized)
    if told is None:
        raise Refused("claude answers initialize with something else")
    PROGRAM.check(told.claude_code_version)
    return [model.value for model in told.models if model.is_known]
