"""The real OpenCode in an agent's pod, its model in another pod."""

import base64

from tests.cluster import model
from tests.cluster.deployment import Deployment
from tests.cluster.receiving import NodeReceiver
from tests.e2e.conversation.talk import Talk, kinds
from tests.e2e.story import SECRET, first_seen, signed, text, turn, whole
from tests.peers.gateway import Client
from tests.peers.stub_model import Call, Say, opencode_config


async def test_a_conversation_with_a_tool_and_a_memory(
    deployment: Deployment, client: Client, receiver: NodeReceiver
) -> None:
    """Over HTTP: a prompt whose tool call writes a file, then one in the same session; each
    arrives signed, in order, up to its final."""
    writing = Call("write", {"filePath": "hello.txt", "content": "hi"}, text="Writing.")
    url = await model.start(
        deployment, "chatty-model", [writing, Say("Done."), Say("It was MARMALADE.")]
    )
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


async def test_it_asks_sees_a_file_and_tells_its_changes(
    deployment: Deployment, client: Client
) -> None:
    """The policy that it was made with holds in the pod: it asks for what the mode would allow,
    and is not asked for what is denied. What is answered over HTTP is done, and told by the diff;
    a file beside the message reaches the model."""
    writing = Call("write", {"filePath": "hello.txt", "content": "hi\n"})
    denied = Call("bash", {"command": "touch trace", "description": "touch"})
    url = await model.start(deployment, "asking-model", [writing, denied])
    rules = [{"tool": "ed*", "action": "ask"}, {"tool": "bash", "action": "deny"}]
    talk = Talk(
        client,
        await client.create(
            backend="opencode",
            env={"OPENCODE_CONFIG_CONTENT": opencode_config(url)},
            policy={"rules": rules, "timeout_s": 60},
        ),
    )
    note = {"filename": "note.txt", "mime_type": "text/plain"}
    note["data"] = base64.b64encode(b"MARMALADE").decode()
    request_id = await talk.send("write it", attachments=[note])
    (prompt,) = await talk.asked()
    assert prompt["tool"] == "edit"
    answer = await talk.post(f"prompts/{prompt['prompt_id']}", decision="once")
    assert answer.status_code == 202, answer.text
    story = await talk.whole(request_id)
    assert story[-1]["outcome"] == "completed"
    decisions = [data["decision"] for data in kinds(story, "permission.answered")]
    assert decisions == ["once", "reject"]
    assert "MARMALADE" in text(story)
    told = (await talk.get("diff", request_id=request_id)).json()
    assert [file["path"] for file in told["files"]] == ["hello.txt"]
    assert "+hi" in told["diff"]
