"""What must not be seen by those who may look at pods and logs."""

from typing import get_args

from gateway.keyring.key import Scope
from tests.cluster.deployment import Deployment
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, turn
from tests.peers.gateway import Client


async def test_no_token_and_no_secret_is_in_pods_or_logs(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """Neither tokens, keys, env values, webhook secrets and URLs nor messages are in `kubectl get
    pod -o yaml`, events or any log, while a turn is noted on the pod and after it."""
    agent = await client.create(env={"API_TOKEN": "env-s3cret"})
    url = f"{receiver.url}?k=url-s3cret"
    answer = await client.send(
        agent, "echo begun; sleep 3; : content-s3cret", url, webhook_secret=SECRET
    )
    await deployment.until_noted(agent)
    given = await client.http.post(
        f"/api/v1/agents/{agent}/grpc-token", params={"user_id": "ada"}, json={}
    )
    key = deployment.gateway_key
    hidden = {
        "s3cret",
        SECRET,
        SECRET.removeprefix("whsec_"),
        deployment.key,
        key.line().partition(":")[2],
        given.json()["token"],
        *(key.token(agent, scope) for scope in get_args(Scope)),
    }
    noted = await shown(deployment, agent)
    await turn(receiver, answer.json()["request_id"])
    for text in (noted, await shown(deployment, agent)):
        assert agent in text
        assert [secret for secret in hidden if secret in text] == []


async def shown(deployment: Deployment, agent: str) -> str:
    """What one sees who may get pods, events and logs."""
    return "".join(
        [
            await deployment.run("get", "pods,events,configmaps", "--output=yaml"),
            await deployment.logs(),
            await deployment.run("logs", f"pod/ada-{agent}"),
        ]
    )
