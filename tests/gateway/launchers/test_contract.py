"""What every launcher promises. Real runtimes, real gRPC."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2

from gateway.errors import (
    BadRequest,
    Conflict,
    GatewayError,
    NotFound,
    StartFailed,
    Unavailable,
    UnknownBackend,
    Unsupported,
)
from gateway.launchers.protocol import Launcher
from gateway.model import Agent
from tests.gateway.launchers.harness import Place, retire, spec, status

HOSTILE_IDS = [
    "",
    ".",
    "..",
    "../a1",
    "a1/../a1",
    "a1/",
    "/etc/passwd",
    "a1\0",
    "a1\n",
    ".trash-a1",
    "%2e%2e",
    "A1",
    "a" * 5000,
    "\N{GREEK SMALL LETTER ALPHA}1",
]


async def _ready_pid(place: Place, launcher: Launcher) -> int:
    """Tells one life of the runtime from the next: when it began, in ms of the loop's clock."""
    uptime_ms = (await status(place, launcher)).uptime_ms
    return round(asyncio.get_running_loop().time() * 1000) - uptime_ms


async def listed(launcher: Launcher, *agents: Agent) -> None:
    """Wait until that gateway's list is these, in that order."""
    async with asyncio.timeout(5):
        while await launcher.list() != list(agents):
            await asyncio.sleep(0.01)


async def test_created_agent_is_ready_and_found(place: Place) -> None:
    """What `create` returns is up, and `get` and `list` say the same of it."""
    launcher = await place.open()
    made = await launcher.create(spec(), wait_s=20)
    assert (made.phase, made.ready, made.reason) == ("Running", True, "")
    assert (made.agent_id, made.user_id, made.backend) == ("a1", "ada", "command")
    assert made.pod_name == "ada-a1"
    assert made.key_id == place.keyring.current_id
    assert await launcher.get("a1") == made
    assert await launcher.list() == [made]


async def test_reached_agent_answers(place: Place) -> None:
    """`reach` gives a target that serves: health without a token, GetStatus with a client's."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    target = await launcher.reach("a1", timeout_s=5)
    async with grpc.aio.insecure_channel(target) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        health = await check(health_pb2.HealthCheckRequest(), timeout=5)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    answer = await status(place, launcher)
    assert (answer.agent_id, answer.backend) == ("a1", "command")
    assert answer.permission_mode == "acceptEdits"


async def test_create_without_wait_answers_at_once(place: Place) -> None:
    """`wait_s=0` does not wait; the agent is known, not ready, says why, and comes up."""
    launcher = await place.open()
    made = await launcher.create(spec(), wait_s=0)
    assert (made.phase, made.ready, made.reason) == ("Pending", False, "Starting")
    assert (await launcher.get("a1")).agent_id == "a1"
    await launcher.reach("a1", timeout_s=20)
    assert (await launcher.get("a1")).ready


async def test_same_id_twice_is_a_conflict(place: Place) -> None:
    """An agent_id stands for one agent, and the first one is left alone."""
    launcher = await place.open()
    made = await launcher.create(spec(), wait_s=20)
    with pytest.raises(Conflict, match="a1"):
        await launcher.create(spec(user_id="eve"), wait_s=20)
    assert await launcher.get("a1") == made


async def test_unknown_backend_lists_the_known(place: Place) -> None:
    """A wrong backend is refused with the names that would be right."""
    launcher = await place.open()
    with pytest.raises(UnknownBackend, match=r"'nope'.*command"):
        await launcher.create(spec(backend="nope"), wait_s=20)
    assert await launcher.list() == []


async def test_a_policy_needs_a_backend_that_asks(place: Place) -> None:
    """What would be ignored is refused before anything is made, naming the capability."""
    launcher = await place.open()
    with pytest.raises(Unsupported, match=r"policy: .*'command' has no 'permissions'"):
        await launcher.create(spec(policy='{"timeout_s":1}'), wait_s=20)
    assert await launcher.list() == []


@pytest.mark.parametrize("name", ["AGENT_ID", "FORGE_RELAY_TOKEN_SHA256", "PORT", "A=B", "", "1A"])
async def test_env_cannot_speak_for_the_launcher(place: Place, name: str) -> None:
    """Reserved and impossible names are refused, and the message names the field."""
    launcher = await place.open()
    with pytest.raises(BadRequest, match="env"):
        await launcher.create(spec(env={name: "x"}), wait_s=20)
    assert await launcher.list() == []


@pytest.mark.parametrize("agent_id", HOSTILE_IDS)
async def test_what_is_no_agent_is_not_found(place: Place, agent_id: str) -> None:
    """Strings from URLs reach nothing but agents under their exact id."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=0)
    with pytest.raises(NotFound):
        await launcher.get(agent_id)
    with pytest.raises(NotFound):
        await launcher.reach(agent_id, timeout_s=1)
    with pytest.raises(NotFound):
        await launcher.delete(agent_id)


@pytest.mark.parametrize("agent_id", ["", "..", "x/y", ".trash-x"])
async def test_impossible_id_is_refused_at_create(place: Place, agent_id: str) -> None:
    """An id that could not be found again is not taken."""
    launcher = await place.open()
    with pytest.raises(BadRequest, match="agent_id"):
        await launcher.create(spec(agent_id), wait_s=20)


async def test_list_is_by_owner_and_oldest_first(place: Place) -> None:
    """An owner's list holds that owner's agents only, in the order of their making."""
    launcher = await place.open()
    for agent_id, user_id in (("z", "ada"), ("m", "bob"), ("a", "ada")):
        await launcher.create(spec(agent_id, user_id=user_id), wait_s=0)
    assert [agent.agent_id for agent in await launcher.list("ada")] == ["z", "a"]
    assert [agent.agent_id for agent in await launcher.list()] == ["z", "m", "a"]
    assert await launcher.list("eve") == []


async def test_deleted_agent_is_gone_at_once(place: Place) -> None:
    """After `delete` nobody finds it, while its runtime can still be told to retire."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await launcher.delete("a1")
    with pytest.raises(NotFound):
        await launcher.get("a1")
    assert await launcher.list() == []
    with pytest.raises(NotFound):
        await launcher.delete("a1")
    assert (await status(place, launcher)).agent_id == "a1"


async def test_retired_agent_is_gone_for_good(place: Place) -> None:
    """Once it has nothing to deliver any more, nobody reaches it."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await launcher.delete("a1")
    await retire(place, launcher)
    await launcher.retired("a1")
    async with asyncio.timeout(30):
        while await reachable(launcher):
            await asyncio.sleep(0.05)
    assert await launcher.list() == []


async def reachable(launcher: Launcher) -> bool:
    """Whether there is still a runtime, or may be one."""
    try:
        await launcher.reach("a1", timeout_s=0.1)
    except NotFound:
        return False
    except Unavailable:
        return True
    return True


async def test_gateways_see_each_others_agents(place: Place) -> None:
    """What one gateway makes or deletes another one knows without being told; that there is
    one, at once, how it is, soon."""
    one, other = await place.open(), await place.open()
    made = await one.create(spec(), wait_s=20)
    assert (await other.get("a1")).created_at == made.created_at
    await listed(other, made)
    assert await other.get("a1") == made
    await other.delete("a1")
    await listed(one)
    with pytest.raises(NotFound):
        await one.get("a1")


async def test_agents_outlive_their_gateway(place: Place) -> None:
    """A gateway that goes leaves its agents running; the next one adopts the same process."""
    first = await place.open()
    made = await first.create(spec(), wait_s=20)
    born = await _ready_pid(place, first)
    await first.close()
    second = await place.open()
    assert await second.get("a1") == made
    assert abs(await _ready_pid(place, second) - born) < 100


async def test_killed_runtime_comes_back_by_itself(place: Place) -> None:
    """No message is needed: what it owes must reach its receivers."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await place.kill("a1")
    assert not (await launcher.get("a1")).ready
    async with asyncio.timeout(20):
        while not (await launcher.get("a1")).ready:
            await asyncio.sleep(0.05)


async def test_killed_runtime_is_reached_again(place: Place) -> None:
    """A message finds the next life of the agent, not the socket of the last one."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    born = await _ready_pid(place, launcher)
    await place.kill("a1")
    assert await _ready_pid(place, launcher) > born


async def test_creation_that_fails_leaves_nothing(place: Place) -> None:
    """An agent whose runtime ends is not made, the error says why, the id is free again."""
    launcher = await place.open()
    with pytest.raises(StartFailed, match="PERMISSION_MODE"):
        await launcher.create(spec(permission_mode="nonsense"), wait_s=20)
    with pytest.raises(NotFound):
        await launcher.get("a1")
    assert await launcher.list() == []
    assert (await launcher.create(spec(), wait_s=20)).ready


async def test_creation_that_takes_too_long_leaves_nothing(place: Place) -> None:
    """The caller was told no: no agent may turn up later."""
    launcher = await place.open()
    with pytest.raises(StartFailed):
        await launcher.create(spec(), wait_s=0.001)
    with pytest.raises(NotFound):
        await launcher.reach("a1", timeout_s=1)
    assert await launcher.list() == []


async def test_reached_by_many_at_once_starts_once(place: Place) -> None:
    """Two gateways and many messages find one runtime."""
    one, other = await place.open(), await place.open()
    await one.create(spec(), wait_s=20)
    await place.kill("a1")
    targets = await asyncio.gather(
        *(launcher.reach("a1", timeout_s=20) for launcher in (one, other) for _ in range(5))
    )
    assert len(set(targets)) == 1
    assert abs(await _ready_pid(place, one) - await _ready_pid(place, other)) < 100


async def test_made_by_two_gateways_at_once_is_one_agent(place: Place) -> None:
    """Of two creations of one id one wins, the other is told."""
    one, other = await place.open(), await place.open()
    results = await asyncio.gather(
        one.create(spec(), wait_s=20), other.create(spec(), wait_s=20), return_exceptions=True
    )
    assert [type(result) for result in results if isinstance(result, GatewayError)] == [Conflict]
    await listed(other, *(result for result in results if isinstance(result, Agent)))


async def test_nudges_can_be_served(place: Place) -> None:
    """The address for nudges is this gateway's own and can be bound."""
    one, other = await place.open(), await place.open()
    assert one.nudge_bind != other.nudge_bind
    server = grpc.aio.server()
    server.add_insecure_port(one.nudge_bind)
    await server.start()
    await server.stop(0)
