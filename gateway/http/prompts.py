"""What an agent asks in the middle of a turn, and the answers to it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from starlette.responses import Response

from gateway.errors import BadRequest, NotFound
from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.commands import (
    IDEMPOTENCY_KEY,
    REPLAYED,
    Command,
    Commands,
    repeat,
    request_id_of,
)
from gateway.http.delivery import clear_options
from gateway.http.forms import PromptId, Told, plain
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, OpenPrompt, Reply

PATH = f"{ONE}/prompts"

Decision = Literal["once", "always", "reject"]


class Prompts(Protocol):
    """What knows what agents have asked (`gateway.relay.lifecycle`)."""

    async def prompts(self, agent: Agent) -> Sequence[OpenPrompt]: ...


class PromptAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that waits for an answer.

    Of a permission `tool`, `input` and `options`, of a question `questions`, as in its
    event; an input over 64 KiB is in the event only.
    """

    prompt_id: str
    request_id: str
    kind: Literal["permission", "question"]
    tool: str = ""
    input: Annotated[Raw, Meta(extra_json_schema={"type": "object"})] | UnsetType = UNSET
    options: tuple[str, ...] = ()
    questions: tuple[dict[str, Raw], ...] = ()
    asked_at: datetime
    expires_at: Annotated[datetime, Meta(description="Then the policy decides")]


class PromptList(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first."""

    prompts: list[PromptAnswer]
    total: int


class AnswerPrompt(Command, frozen=True, kw_only=True):
    """A `decision` on a permission, or `answers` to questions, one list for each of them."""

    decision: (
        Annotated[Decision, Meta(description="always: and what is like it, in this session")]
        | UnsetType
    ) = UNSET
    message: Told | UnsetType = UNSET
    answers: (
        Annotated[
            list[Annotated[list[Told], Meta(min_length=1, max_length=64)]],
            Meta(min_length=1, max_length=64, description="Labels of options, or texts"),
        ]
        | UnsetType
    ) = UNSET


class PromptAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer is durable, and no other one is taken."""

    request_id: str
    agent_id: str
    prompt_id: str
    status: Literal["answered"] = "answered"


class _Data(msgspec.Struct, frozen=True):
    tool: str = ""
    input: Raw | UnsetType = UNSET
    options: tuple[str, ...] = ()
    questions: tuple[dict[str, Raw], ...] = ()


_PROMPT_ID, _AGENT_ID = "per_0123456789abcdef", "agt-5d0c9e9b7f3a41c8"
_EXAMPLE = PromptAnswer(
    prompt_id=_PROMPT_ID,
    request_id="req_0123456789abcdef",
    kind="permission",
    tool="bash",
    input=Raw(b'{"command":"rm -r build"}'),
    options=("once", "always", "reject"),
    asked_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    expires_at=datetime(2026, 1, 2, 3, 14, 5, tzinfo=UTC),
)


class PromptsResource:
    def __init__(self, launcher: Launcher, prompts: Prompts, commands: Commands) -> None:
        self._launcher = launcher
        self._prompts = prompts
        self._commands = commands

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path=PATH,
                name="listPrompts",
                summary="List what an agent asks and nobody has answered",
                handler=self._list,
                query=OwnerQuery,
                answers={
                    200: Answer(
                        what="Oldest first",
                        model=PromptList,
                        example=PromptList(prompts=[_EXAMPLE], total=1),
                    )
                },
                errors=(404,),
            ),
            Operation(
                method="POST",
                path=f"{PATH}/{{prompt_id}}",
                name="answerPrompt",
                summary="Answer what an agent asks",
                handler=self._answer,
                query=OwnerQuery,
                body=AnswerPrompt,
                body_example={"decision": "once"},
                reads=(IDEMPOTENCY_KEY,),
                answers={
                    202: Answer(
                        what="It is durable",
                        model=PromptAnswered,
                        example=PromptAnswered(
                            request_id="req_fedcba9876543210",
                            agent_id=_AGENT_ID,
                            prompt_id=_PROMPT_ID,
                        ),
                        headers=REPLAYED,
                    )
                },
                errors=(404, 409, 410, 422, 429),
            ),
        ]

    async def _list(self, call: Call[OwnerQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        answers = [_shown(prompt) for prompt in await self._prompts.prompts(agent)]
        return json_response(PromptList(prompts=answers, total=len(answers)))

    async def _answer(self, call: Call[OwnerQuery, AnswerPrompt]) -> Response:
        request_id = request_id_of(call)
        target = call.body.target()
        agent = await own_agent(self._launcher, call)
        reply = _reply(_prompt_id(call.path["prompt_id"]), call.body)
        accepted = await self._commands.reply(
            agent, request_id, reply, target=target, delivery=clear_options(call.body.delivery)
        )
        answer = PromptAnswered(
            request_id=accepted.request_id, agent_id=agent.agent_id, prompt_id=reply.prompt_id
        )
        return json_response(answer, 202, repeat(accepted))


def _prompt_id(text: str) -> str:
    """Raises NotFound where no prompt can have such an id."""
    try:
        return plain(PromptId.of(text))
    except ValueError as error:
        raise NotFound("there is no such prompt") from error


def _reply(prompt_id: str, body: AnswerPrompt) -> Reply:
    """Raises BadRequest."""
    if (body.decision is UNSET) == (body.answers is UNSET):
        raise BadRequest("decision (to a permission) or answers (to a question): one is needed")
    answers = () if body.answers is UNSET else body.answers
    return Reply(
        prompt_id=prompt_id,
        decision="" if body.decision is UNSET else body.decision,
        message=plain(body.message),
        answers=tuple(tuple(map(str, chosen)) for chosen in answers),
    )


def _shown(prompt: OpenPrompt) -> PromptAnswer:
    data = msgspec.json.decode(prompt.data, type=_Data)
    return PromptAnswer(
        prompt_id=prompt.prompt_id,
        request_id=prompt.request_id,
        kind=prompt.kind,
        tool=data.tool,
        input=data.input,
        options=data.options,
        questions=data.questions,
        asked_at=prompt.asked_at,
        expires_at=prompt.expires_at,
    )
