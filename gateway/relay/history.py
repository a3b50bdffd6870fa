"""The conversation of an agent, as its runtime tells it."""

from collections.abc import AsyncGenerator, Sequence

import grpc

from gateway.keyring import Keyring
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, MessagePage
from gateway.relay.links import Links, bearer, translate
from gateway.relay.timing import STANDARD, Timing
from proto.agent.v1 import agent_pb2, agent_pb2_grpc

_EXPORT_PAGE = 100


class History:
    """Asks agents for what was said. Keeps nothing; event loop only."""

    def __init__(
        self, launcher: Launcher, links: Links, *, keyring: Keyring, timing: Timing = STANDARD
    ) -> None:
        self._launcher = launcher
        self._links = links
        self._keyring = keyring
        self._timing = timing

    async def messages(self, agent: Agent, *, cursor: str, limit: int) -> MessagePage:
        """The newest before a cursor, oldest first.

        Raises:
            BadRequest: the cursor is none of this agent's.
            Unavailable, NotFound: it does not answer in time, or is gone.
        """
        return await self._page(agent, agent_pb2.MessagesRequest(cursor=cursor, limit=limit))

    async def export(self, agent: Agent) -> AsyncGenerator[Sequence[bytes], None]:
        """All of them, oldest first, in lists. Raises as `messages`, also in the middle."""
        cursor = ""
        while True:
            request = agent_pb2.MessagesRequest(cursor=cursor, limit=_EXPORT_PAGE, forward=True)
            page = await self._page(agent, request)
            yield page.messages
            if not page.next_cursor:
                return
            cursor = page.next_cursor

    async def _page(self, agent: Agent, request: agent_pb2.MessagesRequest) -> MessagePage:
        target = await self._launcher.reach(agent.agent_id, timeout_s=self._timing.reach_s)
        token = self._keyring.token(agent.agent_id, "client", key_id=agent.key_id)
        async with self._links.to(target) as link:
            try:
                told = await agent_pb2_grpc.AgentServiceStub(link.channel).Messages(
                    request, metadata=bearer(token), timeout=self._timing.history_s
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    await self._links.renew(link)
                raise translate(error, agent.agent_id) from error
        return MessagePage(messages=tuple(told.messages_json), next_cursor=told.next_cursor)
