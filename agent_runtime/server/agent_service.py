"""agent.v1: what direct clients speak."""

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import grpc

from agent_runtime.errors import Invalid, RuntimeFault
from agent_runtime.journal.journal import Journal
from agent_runtime.server.conversation import Conversation
from agent_runtime.server.diffing import told
from agent_runtime.server.messages import messages
from agent_runtime.server.refusal import abort
from agent_runtime.server.status import Status
from agent_runtime.server.usage import Usage
from agent_runtime.turns.diffs import Diffs
from agent_runtime.turns.recall import Recall
from agent_runtime.turns.runner import Runner
from proto.agent.v1 import agent_pb2, agent_pb2_grpc

Context: TypeAlias = "grpc.aio.ServicerContext[agent_pb2.AgentRequest, agent_pb2.AgentResponse]"

MAX_STREAMS = 256
"""Clients connected at the same time; gateways must find room beside them."""


class AgentService(agent_pb2_grpc.AgentServiceServicer):
    """Journals what comes and follows it through cursors; keeps nothing of its own."""

    def __init__(
        self,
        *,
        journal: Journal,
        runner: Runner,
        status: Status,
        diffs: Diffs,
        recall: Recall,
        usage: Usage,
        shutdown: Callable[[bool], None],
    ) -> None:
        self._journal = journal
        self._runner = runner
        self._status = status
        self._diffs = diffs
        self._recall = recall
        self._usage = usage
        self._shutdown = shutdown
        self._streams = 0

    async def Connect(  # type: ignore[override]  # writes to the context, which grpc.aio takes too
        self, request_iterator: AsyncIterator[agent_pb2.AgentRequest], context: Context
    ) -> None:
        if self._streams >= MAX_STREAMS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many clients")
        self._streams += 1
        try:
            with self._usage.call():
                conversation = Conversation(self._journal, self._runner, context.write)
                await conversation.run(request_iterator)
        finally:
            self._streams -= 1

    async def GetStatus(
        self, request: agent_pb2.GetStatusRequest, context: object
    ) -> agent_pb2.GetStatusResponse:
        return self._status.read(prompts=request.prompts)

    async def Messages(
        self,
        request: agent_pb2.MessagesRequest,
        context: "grpc.aio.ServicerContext[agent_pb2.MessagesRequest, agent_pb2.MessagesResponse]",
    ) -> agent_pb2.MessagesResponse:
        with self._usage.call():
            try:
                return await messages(self._journal, self._recall, request)
            except Invalid as invalid:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(invalid))

    async def Diff(
        self,
        request: agent_pb2.DiffRequest,
        context: "grpc.aio.ServicerContext[agent_pb2.DiffRequest, agent_pb2.DiffResponse]",
    ) -> agent_pb2.DiffResponse:
        try:
            with self._usage.call():
                return await told(self._diffs, request)
        except RuntimeFault as fault:
            await abort(context, fault)

    async def Shutdown(
        self, request: agent_pb2.ShutdownRequest, context: object
    ) -> agent_pb2.ShutdownResponse:
        self._shutdown(request.graceful)
        return agent_pb2.ShutdownResponse(success=True)
