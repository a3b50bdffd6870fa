"""The real OpenCode in an agent's pod, its model in another pod."""

from tests.cluster import model
from tests.cluster.deployment import Deployment
from tests.cluster.receiving import NodeReceiver
from tests.e2e.story import SECRET, first_seen, signed, text, turn, whole
from tests.peers.gateway import Client
from tests.peers.stub_model import Call, Say, opencode_config


async def test_a_conversation_with_a_tool_and_a_memory(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """Over HTTP: a prompt whose tool call writes a file, then one in the same session; each
    arrives signed, in order, up to its final."""
    writing = Call("write", {"filePath": "hello.txt", "content": "hi"}, text="Writing.")
    url = await model.start(deployment, [writing, Say("Done."), Say("It was MARMALADE.")])
    env = {"OPENCODE_CONFIG_CONTENT": opencode_config(url)}
    agent = await client.create(backend="opencode", env=env)
    stories = []
    for words in ("remember the word MARMALADE", "which word?"):
        answer = await client.send(agent, words, receiver.url, webhook_secret=SECRET)
        assert answer.status_code == 202, answer.text
        hooks = await turn(receiver, answer.json()["request_id"], within_s=60)
        for hook in hooks:
            signed(hook)
        stories.append(first_seen(hooks))
        whole(stories[-1])
    first, second = stories
    kinds = {payload.get("kind") for payload in first}
    assert {"text.delta", "tool.started", "tool.finished", "usage"} <= kinds
    assert first[-1]["outcome"] == second[-1]["outcome"] == "completed"
    assert "MARMALADE" in text(second)
    assert second[-1]["session_id"] == first[-1]["session_id"] != ""
