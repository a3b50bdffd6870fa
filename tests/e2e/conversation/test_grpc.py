"""The whole conversation by agent.v1 alone, as a direct client holds it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from tests.e2e.conversation.talk import LIMIT_S, Talk
from tests.e2e.conversation.test_prompts import touch, workspace
from tests.peers.files import PNG
from tests.peers.gateway import House
from tests.peers.stub_model import MODEL, Call, Say, Stall, StubModel

Metadata = tuple[tuple[str, str], ...]


@asynccontextmanager
async def direct(talk: Talk) -> AsyncIterator[tuple[Any, Metadata]]:
    """A stub and the token, as the gateway hands them out."""
    told = (await talk.post("grpc-token")).json()
    async with grpc.aio.insecure_channel(told["address"]) as channel:
        stub = agent_pb2_grpc.AgentServiceStub(channel)
        yield stub, (("authorization", f"Bearer {told['token']}"),)


@pytest.fixture
async def agent(talk: Talk) -> AsyncIterator["Direct"]:
    async with direct(talk) as (stub, metadata):
        yield Direct(stub, metadata)


class Direct:
    """One client; each command has a stream of its own."""

    def __init__(self, stub: Any, metadata: Metadata) -> None:
        self._stub = stub
        self._metadata = metadata

    async def send(self, **command: Any) -> list[agent_pb2.AgentResponse]:
        """All responses, up to the final."""
        call = self._stub.Connect(metadata=self._metadata, timeout=LIMIT_S)
        await call.write(agent_pb2.AgentRequest(**command))
        await call.done_writing()
        responses = [response async for response in call]
        assert responses[-1].is_final
        return responses

    async def say(self, content: str, **more: Any) -> list[agent_pb2.AgentResponse]:
        return await self.send(send_message=agent_pb2.SendMessageRequest(content=content, **more))

    async def status(self) -> agent_pb2.GetStatusResponse:
        request = agent_pb2.GetStatusRequest(prompts=True)
        status: agent_pb2.GetStatusResponse = await self._stub.GetStatus(
            request, metadata=self._metadata, timeout=20
        )
        return status

    async def asked(self) -> agent_pb2.OpenPrompt:
        async with asyncio.timeout(LIMIT_S):
            while not (prompts := (await self.status()).prompts):
                await asyncio.sleep(0.1)
        (prompt,) = prompts
        return prompt

    async def until_said(self, text: str) -> None:
        """The turn that runs has said it."""
        async with asyncio.timeout(LIMIT_S):
            while text not in str(await self.messages()):
                await asyncio.sleep(0.1)

    async def messages(self) -> list[dict[str, Any]]:
        request = agent_pb2.MessagesRequest()
        page = await self._stub.Messages(request, metadata=self._metadata, timeout=20)
        return [json.loads(message) for message in page.messages_json]


async def test_everything_goes_by_grpc_too(agent: Direct, model: StubModel) -> None:
    """Attachments, policy, prompts and replies, model, sessions, usage, history."""
    model.script(touch("a"), Say("Done."))
    image = agent_pb2.Attachment(filename="a.png", mime_type="image/png", data=PNG)
    policy = agent_pb2.Policy(rules=[agent_pb2.Rule(tool="bash", action="ask")])
    message = agent_pb2.SendMessageRequest(content="touch a", attachments=[image], policy=policy)
    turn = asyncio.create_task(agent.send(request_id="r1", send_message=message))
    prompt = await agent.asked()
    assert (prompt.kind, prompt.request_id) == ("permission", "r1")
    assert json.loads(prompt.data_json)["tool"] == "bash"
    reply = agent_pb2.ReplyRequest(prompt_id=prompt.prompt_id, decision="once")
    (answered,) = await agent.send(request_id="a1", reply=reply)
    assert answered.complete.success
    (again,) = await agent.send(request_id="a2", reply=reply)
    assert (again.error.code, again.seq) == ("CONFLICT", 0)
    responses = await turn
    assert responses[-1].usage.output_tokens > 0
    (unknown,) = await agent.send(set_model=agent_pb2.SetModelRequest(model="stub/nope"))
    assert unknown.error.code == "BAD_REQUEST"
    assert MODEL in unknown.error.message
    (fresh,) = await agent.send(new_session=agent_pb2.NewSessionRequest())
    assert fresh.session_id not in ("", responses[-1].session_id)
    status = await agent.status()
    assert (status.session_id, len(status.prompts)) == (fresh.session_id, 0)
    assert {"permissions", "fork", "attach.image"} <= set(status.capabilities)
    assert status.usage.output_tokens == responses[-1].usage.output_tokens
    user, assistant = await agent.messages()
    assert user["attachments"] == [{"filename": "a.png", "mime_type": "image/png"}]
    assert (assistant["text"], assistant["outcome"]) == ("Done.", "completed")


async def test_a_question_is_answered_by_grpc(agent: Direct, model: StubModel) -> None:
    """With the answers in the order of its questions."""
    options = [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}]
    question = {"question": "Which?", "header": "Pick", "options": options}
    model.script(Call("question", {"questions": [question]}), Say("Done."))
    turn = asyncio.create_task(agent.say("ask me"))
    prompt = await agent.asked()
    assert json.loads(prompt.data_json)["questions"][0]["question"] == "Which?"
    answers = [agent_pb2.Chosen(answers=["B"])]
    reply = agent_pb2.ReplyRequest(prompt_id=prompt.prompt_id, answers=answers)
    (answered,) = await agent.send(reply=reply)
    assert answered.complete.success
    assert (await turn)[-1].outcome == agent_pb2.OUTCOME_COMPLETED
    assert "B" in str(model.requests[-1]["messages"][-1]["content"])


async def test_a_turn_makes_way_by_grpc(
    agent: Direct, place: House, talk: Talk, model: StubModel
) -> None:
    """`now` under another model and mode, both in effect; then a fork, which remembers.

    A policy that is set is told.
    """
    bypass = agent_pb2.SetPermissionModeRequest(mode="bypassPermissions")
    (mode,) = await agent.send(set_permission_mode=bypass)
    model.script(Stall("Hm"), touch("b"), Say("At once."))
    slow = asyncio.create_task(agent.say("dawdle"))
    await agent.until_said("Hm")
    (chosen,) = await agent.send(set_model=agent_pb2.SetModelRequest(model="stub/other-model"))
    assert mode.complete.success
    assert chosen.complete.success
    status = await agent.status()
    told = (status.current_model, status.permission_mode)
    assert told == ("stub/other-model", "bypassPermissions")
    policy = agent_pb2.Policy(rules=[agent_pb2.Rule(tool="web*", action="deny")])
    (held,) = await agent.send(set_policy=agent_pb2.SetPolicyRequest(policy=policy))
    assert held.complete.success
    assert (await agent.status()).policy == policy
    now = await agent.say("remember the word MEDLAR", when="now")
    assert now[-1].outcome == agent_pb2.OUTCOME_COMPLETED
    assert (await slow)[-1].outcome == agent_pb2.OUTCOME_INTERRUPTED
    assert model.requests[-1]["model"] == "other-model"
    assert (workspace(place, talk) / "b").exists()
    (forked,) = await agent.send(new_session=agent_pb2.NewSessionRequest(fork=True))
    assert forked.session_id not in ("", now[-1].session_id)
    model.script(Say("It was."))
    assert (await agent.say("which word?"))[-1].session_id == forked.session_id
    assert "MEDLAR" in str(model.requests[-1]["messages"])
