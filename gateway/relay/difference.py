"""What has changed in an agent's workspace, as its runtime tells it."""

import grpc

from gateway.delivery.payload import moment
from gateway.keyring import Keyring
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, Diff, FileChange
from gateway.relay.links import Links, bearer, translate
from gateway.relay.timing import STANDARD, Timing
from proto.agent.v1 import agent_pb2, agent_pb2_grpc


class Differences:
    """Asks agents for diffs. Keeps nothing; event loop only."""

    def __init__(
        self, launcher: Launcher, links: Links, *, keyring: Keyring, timing: Timing = STANDARD
    ) -> None:
        self._launcher = launcher
        self._links = links
        self._keyring = keyring
        self._timing = timing

    async def diff(self, agent: Agent, request_id: str = "") -> Diff:
        """What that turn, or all of them, have changed in the workspace.

        Raises:
            NotFound: there is no such turn, or no such agent any more.
            Gone: the workspace as it was then is not kept.
            Unsupported: it cannot be told where this agent runs.
            Exhausted, Unavailable: not now.
        """
        target = await self._launcher.reach(agent.agent_id, timeout_s=self._timing.reach_s)
        token = self._keyring.token(agent.agent_id, "client", key_id=agent.key_id)
        async with self._links.to(target) as link:
            try:
                told = await agent_pb2_grpc.AgentServiceStub(link.channel).Diff(
                    agent_pb2.DiffRequest(request_id=request_id),
                    metadata=bearer(token),
                    timeout=self._timing.diff_s,
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    await self._links.renew(link)
                raise translate(error, agent.agent_id) from error
        return difference(told)


def difference(told: agent_pb2.DiffResponse) -> Diff:
    """As text: bytes that are no UTF-8 become U+FFFD."""
    return Diff(
        text=_text(told.diff),
        files=tuple(map(_file, told.files)),
        truncated=told.truncated,
        turns=tuple(told.turns),
        since=moment(told.since_ms) if told.since_ms else None,
        until=moment(told.until_ms) if told.until_ms else None,
    )


def _file(told: agent_pb2.ChangedFile) -> FileChange:
    return FileChange(
        path=_text(told.path),
        old_path=_text(told.old_path),
        status=told.status,
        additions=told.additions,
        deletions=told.deletions,
        binary=told.binary,
        left_out=told.left_out,
    )


def _text(told: bytes) -> str:
    return told.decode("utf-8", "replace")
