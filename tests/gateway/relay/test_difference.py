"""Diffs as an agent tells them, in the gateway's words."""

from datetime import UTC, datetime

import grpc
import pytest

from gateway.errors import Gone, NotFound, Unavailable
from gateway.model import Agent
from gateway.relay.difference import Differences
from proto.agent.v1 import agent_pb2
from tests.gateway.relay.house import AGENT, House, house


async def the_agent(home: House) -> Agent:
    return await home.launcher.get(AGENT)


def differences(home: House) -> Differences:
    """The agent wants the client's token, as for everything of agent.v1."""
    home.agent.token = home.keyring.token(AGENT, "client", key_id=home.keyring.current_id)
    return Differences(home.launcher, home.links, keyring=home.keyring)


async def test_a_diff_is_told_as_text() -> None:
    """Bytes that are no UTF-8 are replaced; a turn that did not run has no times."""
    async with house() as home:
        home.agent.diff_answer = agent_pb2.DiffResponse(
            diff=b"+lat\xe9n\n",
            files=[agent_pb2.ChangedFile(path=b"\xe9", status="added", additions=1)],
            turns=["r1", "r2"],
            since_ms=1000,
            until_ms=2000,
        )
        told = await differences(home).diff(await the_agent(home), "r1")
        home.agent.diff_answer = agent_pb2.DiffResponse()
        nothing = await differences(home).diff(await the_agent(home))
    assert (told.text, told.files[0].path) == ("+lat\ufffdn\n", "\ufffd")
    assert (told.turns, told.since) == (("r1", "r2"), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    assert (nothing.files, nothing.since, nothing.until) == ((), None, None)
    assert home.agent.diffs == ["r1", ""]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (grpc.StatusCode.ABORTED, Unavailable),
        (grpc.StatusCode.OUT_OF_RANGE, Gone),
        (grpc.StatusCode.NOT_FOUND, NotFound),
    ],
)
async def test_why_there_is_no_diff_is_told(
    status: grpc.StatusCode, error: type[Exception]
) -> None:
    """With the agent's own reason."""
    async with house() as home:
        home.agent.diff_answer = status
        with pytest.raises(error, match=f"scripted {status.name}"):
            await differences(home).diff(await the_agent(home), "r1")
