"""Agents that cannot start: what is said of them, and how their turns end."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.outside import gateway_outside, house_outside
from tests.cluster.place import Place, finalizers, fresh_place
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, of, signed, turn
from tests.gateway.cli.command import Outcome, forge
from tests.peers.gateway import GatewayProcess

TOO_LARGE = {"FORGE_AGENT_CPU_REQUEST": "1000", "FORGE_AGENT_CPU": "1000"}
NO_IMAGE = {"AGENT_IMAGE_TAG": "absent"}


@pytest.fixture
def place() -> Iterator[Place]:
    with fresh_place() as made:
        yield made


@pytest.mark.parametrize(
    ("settings", "reason", "words"),
    [
        pytest.param(TOO_LARGE, "Unschedulable", "Insufficient cpu", id="unschedulable"),
        pytest.param(NO_IMAGE, "ErrImageNeverPull", "localhost/forge-agent:absent", id="no-image"),
    ],
)
async def test_turns_of_an_agent_that_never_starts_fail_with_the_reason(
    tmp_path: Path,
    place: Place,
    receiver: NodeReceiver,
    settings: dict[str, str],
    reason: str,
    words: str,
) -> None:
    """GET says why it is not ready; after the start deadline each waiting turn has one final,
    AGENT_START_FAILED with the same words, signed; the pod carries nothing any more."""
    given = {**settings, "FORGE_START_DEADLINE": "3s"}
    async with gateway_outside(tmp_path, place, **given) as gateway, gateway.client() as client:
        agent = await client.begin()
        for name in ("one", "two"):
            told = {"webhook_secret": SECRET, "request_id": name}
            assert (await client.send(agent, "echo", receiver.url, **told)).status_code == 202
        await place.until_pod(agent, lambda pod: reason in json.dumps(pod))
        shown = (await client.get(agent)).json()
        assert (shown["ready"], shown["phase"], shown["reason"]) == (False, "Pending", reason)
        assert words in shown["message"]
        for name in ("one", "two"):
            (hook,) = await turn(receiver, name)
            signed(hook)
            final = hook.json()
            assert (final["event_type"], final["outcome"]) == ("agent.error", "lost")
            assert (final["seq"], final["session_id"]) == (0, "")
            assert final["error"]["code"] == "AGENT_START_FAILED"
            assert words in final["error"]["message"]
        await place.until_pod(agent, lambda pod: pod is not None and not finalizers(pod))
        assert len(of(receiver, "one")) == len(of(receiver, "two")) == 1


async def test_the_terminal_shows_what_keeps_an_agent(tmp_path: Path, place: Place) -> None:
    """`forge agents create` tells it as it comes, a line each, in the words of scheduler and
    kubelet; an agent that is not ready in time is deleted again."""
    async with house_outside(tmp_path, place) as house:
        unschedulable, pulling = await asyncio.gather(
            house.gateway(**TOO_LARGE),
            house.gateway(**NO_IMAGE, FORGE_AGENT_IMAGE_PULL_POLICY="Always"),
        )
        waits, pulls = await asyncio.gather(created(unschedulable, "3s"), created(pulling, "3s"))
        waited, pulled = waits.err.splitlines(), pulls.err.splitlines()
        assert "Pending, Unschedulable: no node takes it: " in waited[0]
        assert "Insufficient cpu" in waited[0]
        assert any(
            line.startswith("Pending, ErrImagePull: its image cannot be pulled: ")
            and "localhost/forge-agent:absent" in line
            for line in pulled[:-1]
        )
        for ended, told in ((waits, waited), (pulls, pulled)):
            assert (ended.status, ended.out) == (1, "")
            assert "was not ready within 3 s" in told[-1]
            assert "it is deleted" in told[-1]
    async with asyncio.timeout(20):
        while await place.objects("pods"):
            await asyncio.sleep(0.1)


async def created(gateway: GatewayProcess, timeout: str) -> Outcome:
    """What a terminal shows of it."""
    env = {"FORGE_URL": gateway.url, "FORGE_USER": "ada"}
    return await forge("agents", "create", "--timeout", timeout, env=env)


async def test_an_agent_over_quota_is_refused_in_words(tmp_path: Path, place: Place) -> None:
    """503 that says so, and nothing is left behind."""
    await place.run("create", "quota", "few", "--hard=pods=0")
    patience = {"FORGE_CREATE_TIMEOUT": "3s"}
    async with gateway_outside(tmp_path, place, **patience) as gateway, gateway.client() as client:
        asked = {"owner_id": "ada", "env": {"A": "b"}}
        answer = await client.http.post("/api/v1/agents", json=asked)
        assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
        assert "quota" in answer.json()["message"]
        listed = await client.http.get("/api/v1/agents", params={"user_id": "ada"})
        assert listed.json()["total"] == 0
    assert await place.objects("pods") == await place.objects("secrets") == []


async def test_an_agent_that_pod_security_refuses(tmp_path: Path, place: Place) -> None:
    """The gateway does not start, and says why in the words of admission."""
    template = tmp_path / "template.yaml"
    template.write_text("spec: {securityContext: {runAsNonRoot: false}}\n")
    given = {"FORGE_AGENT_TEMPLATE": str(template)}
    with pytest.raises(AssertionError, match=r"pods would be refused.*runAsNonRoot"):
        async with gateway_outside(tmp_path, place, **given):
            pass
