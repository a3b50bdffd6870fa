"""Agents: make, show, list and delete them."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.errors import Exhausted, KeyringError, NotFound, Unavailable
from gateway.http.agentmodels import (
    EXAMPLE,
    AgentAnswer,
    AgentList,
    ChangeAgent,
    CreateAgent,
    CreateQuery,
    DeleteQuery,
    OwnerQuery,
    ShowQuery,
    answer_of,
)
from gateway.http.commands import Commands, new_request_id
from gateway.http.forms import plain
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.http.policy import policy_of, policy_text
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, AgentSpec, LiveStatus

DEFAULT_PERMISSION_MODE = "acceptEdits"
PATH = "/api/v1/agents"
ONE = PATH + "/{agent_id}"
_AGENT_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Life(Protocol):
    """What agents are asked beyond their launcher (`gateway.relay.lifecycle`)."""

    async def status(self, agent: Agent) -> LiveStatus: ...

    async def delete(self, agent_id: str, *, graceful: bool) -> None: ...


async def own_agent(launcher: Launcher, call: Call[Any, Any]) -> Agent:
    """The agent of the path, if it is the named owner's. Notes it in the trace.

    Raises:
        Problem: the owner is missing or not the caller's.
        NotFound: there is none, or it is somebody else's.
    """
    owner = call.caller.owner(plain(call.query.user_id))
    agent_id = call.path["agent_id"]
    if not _AGENT_ID.fullmatch(agent_id):
        raise NotFound("there is no such agent")
    agent = await launcher.get(agent_id)
    if agent.user_id != owner:
        raise NotFound(f"there is no agent {agent_id}")
    call.trace.agent = agent_id
    return agent


class AgentsResource:
    """Args: `create_timeout_s` bounds the wait until a new agent is ready."""

    def __init__(
        self,
        launcher: Launcher,
        life: Life,
        commands: Commands,
        *,
        default_backend: str,
        create_timeout_s: float,
    ) -> None:
        self._launcher = launcher
        self._life = life
        self._commands = commands
        self._default_backend = default_backend
        self._create_timeout_s = create_timeout_s

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="POST",
                path=PATH,
                name="createAgent",
                summary="Make an agent",
                handler=self._create,
                query=CreateQuery,
                body=CreateAgent,
                body_example={"owner_id": "ada", "backend": "command"},
                answers={
                    201: Answer(what="It is made and ready", model=AgentAnswer, example=EXAMPLE)
                },
                errors=(422,),
            ),
            Operation(
                method="GET",
                path=PATH,
                name="listAgents",
                summary="List the agents of an owner",
                handler=self._list,
                query=OwnerQuery,
                answers={
                    200: Answer(
                        what="Oldest first",
                        model=AgentList,
                        example=AgentList(agents=[EXAMPLE], total=1),
                    )
                },
            ),
            Operation(
                method="GET",
                path=ONE,
                name="getAgent",
                summary="Show an agent",
                handler=self._show,
                query=ShowQuery,
                answers={200: Answer(what="The agent", model=AgentAnswer, example=EXAMPLE)},
                errors=(404,),
            ),
            Operation(
                method="PATCH",
                path=ONE,
                name="changeAgent",
                summary="Set model, permission mode and policy for the next message on",
                handler=self._change,
                query=OwnerQuery,
                body=ChangeAgent,
                body_example={"permission_mode": "default"},
                answers={
                    200: Answer(what="The agent as it is now", model=AgentAnswer, example=EXAMPLE)
                },
                errors=(404, 422, 429),
            ),
            Operation(
                method="DELETE",
                path=ONE,
                name="deleteAgent",
                summary="Delete an agent; what it has not delivered still is",
                handler=self._delete,
                query=DeleteQuery,
                answers={204: Answer(what="It is gone", media="")},
                errors=(404,),
            ),
        ]

    async def _create(self, call: Call[CreateQuery, CreateAgent]) -> Response:
        owner = call.caller.owner(plain(call.body.owner_id), "owner_id")
        spec = self._spec(call.body, owner)
        call.trace.agent = spec.agent_id
        wait_s = 0.0 if call.query.wait == "false" else self._create_timeout_s
        agent = await self._launcher.create(spec, wait_s=wait_s)
        return json_response(answer_of(agent), 201, {"Location": f"{PATH}/{agent.agent_id}"})

    def _spec(self, body: CreateAgent, owner: str) -> AgentSpec:
        return AgentSpec(
            agent_id=f"agt-{secrets.token_hex(8)}",
            user_id=owner,
            backend=plain(body.backend, self._default_backend),
            model=plain(body.model),
            permission_mode=plain(body.permission_mode, DEFAULT_PERMISSION_MODE),
            policy=policy_text(body.policy),
            env=_plain_map(body.env),
            labels=_plain_map(body.labels),
        )

    async def _list(self, call: Call[OwnerQuery, None]) -> Response:
        user_id = plain(call.query.user_id)
        everybodys = not user_id and call.caller.owners is None
        owner = None if everybodys else call.caller.owner(user_id)
        agents = await self._launcher.list(owner)
        answers = [answer_of(agent) for agent in agents]
        return json_response(AgentList(agents=answers, total=len(answers)))

    async def _show(self, call: Call[ShowQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        if call.query.refresh != "true" or not agent.ready:
            return json_response(answer_of(agent))
        return await self._refreshed(agent)

    async def _refreshed(self, agent: Agent) -> Response:
        """With what it says of itself, where it answers."""
        try:
            status = await self._life.status(agent)
        except (Unavailable, Exhausted, KeyringError):
            return json_response(answer_of(agent))
        return json_response(answer_of(agent, status))

    async def _change(self, call: Call[OwnerQuery, ChangeAgent]) -> Response:
        model, mode = plain(call.body.model), plain(call.body.permission_mode)
        agent = await own_agent(self._launcher, call)
        if model:
            await self._commands.set_model(agent, new_request_id(), model)
        if mode:
            await self._commands.set_permission_mode(agent, new_request_id(), mode)
        if (policy := policy_of(call.body.policy)) is not None:
            await self._commands.set_policy(agent, new_request_id(), policy)
        return await self._refreshed(agent)

    async def _delete(self, call: Call[DeleteQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        await self._life.delete(agent.agent_id, graceful=call.query.graceful == "true")
        return Response(status_code=204)


def _plain_map(forms: Mapping[Any, Any] | UnsetType) -> Mapping[str, str]:
    return {} if forms is UNSET else {str(name): str(value) for name, value in forms.items()}
