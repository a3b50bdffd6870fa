"""Agents whose journal and workspace are on a volume of their own."""

from collections.abc import Iterator

import pytest

from tests.cluster.contents import counted, counting
from tests.cluster.deployment import Deployment, deployed
from tests.cluster.place import finalizers
from tests.cluster.receiving import NodeReceiver
from tests.deploy.kustomize import FOLDER
from tests.e2e.story import first_seen, of, text, turn, whole

VOLUMES = FOLDER / "components/agent-volumes"


@pytest.fixture(scope="module")
def kept() -> Iterator[Deployment]:
    with deployed(replicas=1, components=[VOLUMES], FORGE_AGENT_VOLUME="1Gi") as made:
        yield made


async def test_a_lost_pod_is_made_again_and_its_journal_goes_on(
    kept: Deployment, receiver: NodeReceiver
) -> None:
    """Killed in mid-turn with messages queued: the agent comes back under its name, the running
    turn has its one final, queued turns run, nothing that was said is lost."""
    async with kept.client() as client:
        agent = await client.create(env={"WORD": "quince"})
        first = await client.send(agent, counting(40, per_s=40) + "\n", receiver.url)
        told = first_seen(await turn(receiver, first.json()["request_id"]))
        cut = await client.send(agent, "echo $WORD >kept; cat kept; sleep 600", receiver.url)
        queued = await client.send(agent, "cat kept; echo $WORD", receiver.url)
        await receiver.wait(len(told) + 1)
        before = await kept.pod(agent)
        assert before is not None
        assert not before["metadata"].get("finalizers")
        name = f"pod/{before['metadata']['name']}"
        await kept.run("delete", name, "--force", "--grace-period=0", "--wait=false")
        ended = first_seen(await turn(receiver, cut.json()["request_id"], within_s=60))
        whole(ended)
        assert ended[-1]["error"]["code"] == "AGENT_RESTARTED"
        story = first_seen(await turn(receiver, queued.json()["request_id"], within_s=60))
        whole(story)
        assert text(story) == "quince\nquince\n"
        after = await kept.pod(agent)
        assert after is not None
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert after["metadata"]["name"] == before["metadata"]["name"]
        page = await client.http.get(
            f"/api/v1/agents/{agent}/events", params={"user_id": "ada", "limit": "1000"}
        )
        assert len(page.json()["events"]) == len(told) + len(ended) + len(story)
        assert text(told) == counted(40)
        assert len(of(receiver, first.json()["request_id"])) == len(told)
        assert (await client.delete(agent)).status_code == 204
        await kept.until_pod(agent, lambda pod: pod is None, within_s=60)
        await kept.run(
            *("wait", "pvc", "--selector", f"agent-id={agent}"), "--for=delete", "--timeout=50s"
        )


async def test_only_its_agent_can_bring_a_killed_gateway_back_to_a_turn(
    kept: Deployment, receiver: NodeReceiver
) -> None:
    """The one gateway dies in mid-turn, and no note on the pod says so to the one that is started
    again: it is nudged through the Service, and goes on without a gap."""
    async with kept.client() as client:
        (gateway,) = await kept.replicas()
        agent = await client.create()
        answer = await client.send(agent, counting(40, per_s=10), receiver.url)
        await receiver.wait(5)
        pod = await kept.pod(agent)
        assert pod is not None
        assert not finalizers(pod)
        gateway.kill()
        assert len(receiver.hooks) < 40
        story = first_seen(await turn(receiver, answer.json()["request_id"]))
    whole(story)
    assert text(story) == counted(40)
