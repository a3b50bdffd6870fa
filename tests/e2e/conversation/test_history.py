"""The conversation read back, in one form whatever backend held it."""

import json

from tests.e2e.conversation.talk import Talk
from tests.peers.gateway import Client
from tests.peers.stub_model import Call, Say, StubModel


async def test_a_conversation_with_opencode(talk: Talk, model: StubModel) -> None:
    """Text, thoughts, tool and usage; the export has the same."""
    model.script(
        Call("write", {"filePath": "a.txt", "content": "hi"}, text="I write."),
        Say("Written.", think="Easy."),
    )
    await talk.say("write it")
    model.script(Say("Bye."))
    await talk.say("bye")
    page = (await talk.get("messages", limit=2)).json()
    assert [one["text"] for one in page["messages"]] == ["bye", "Bye."]
    assert (await talk.get("messages", limit=3)).json() == page
    older = (await talk.get("messages", limit=2, cursor=page["next_cursor"])).json()
    assert "next_cursor" not in older
    user, assistant = older["messages"]
    assert (user["role"], user["text"]) == ("user", "write it")
    assert (assistant["text"], assistant["reasoning"]) == ("I write.Written.", "Easy.")
    (tool,) = assistant["tools"]
    assert (tool["tool"], tool["status"], tool["input"]["content"]) == ("write", "completed", "hi")
    assert assistant["usage"]["output_tokens"] > 0
    exported = [json.loads(line) for line in (await talk.get("export")).text.splitlines()]
    assert exported == [*older["messages"], *page["messages"]]


async def test_a_conversation_with_a_command(client: Client) -> None:
    """The same form."""
    talk = Talk(client, await client.create(backend="command"))
    await talk.say("echo one; echo two")
    user, assistant = (await talk.get("messages")).json()["messages"]
    assert (user["text"], assistant["text"]) == ("echo one; echo two", "one\ntwo\n")
    assert assistant["outcome"] == "completed"
