"""The conversation read back, in one form whatever backend held it."""

import asyncio
import json

import httpx

from agent_runtime.journal.journal import Journal
from agent_runtime.journal.lock import FolderLock
from tests.e2e.conversation.talk import LIMIT_S, Talk
from tests.peers.gateway import Client, House
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
    assert {one["source"] for one in exported} == {"cli"}


async def test_the_cli_still_knows_what_the_journal_let_go_of(
    place: House, talk: Talk, model: StubModel
) -> None:
    """After a kill -9 of the runtime, too: the same messages, and no turn is run for them."""
    model.script(Call("write", {"filePath": "a.txt", "content": "hi"}), Say("Written."))
    await talk.say("write it")
    before = (await talk.get("messages")).json()
    asked = len(model.requests)
    await _forget_events(place)
    async with asyncio.timeout(LIMIT_S):
        while (answer := await talk.get("messages")).json() != before:
            assert _not_yet(answer)
    exported = [json.loads(line) for line in (await talk.get("export")).text.splitlines()]
    assert exported == before["messages"]
    assert len(model.requests) == asked


def _not_yet(answer: httpx.Response) -> bool:
    """The agent, and then the CLI that it takes, may need longer to start than one waits."""
    if answer.status_code == 503:
        return True
    messages = answer.json()["messages"]
    return all(one["truncated"] and one["source"] == "journal" for one in messages)


async def _forget_events(place: House) -> None:
    """As time does it; the runtime is killed before."""
    place.kill_runtimes()
    (file,) = place.journals()
    lock = await FolderLock.take_within(file.parent, LIMIT_S)
    try:
        async with Journal(file.parent, max_bytes=0) as journal:
            await journal._space.trim()
    finally:
        lock.release()


async def test_a_conversation_with_a_command(client: Client) -> None:
    """The same form."""
    talk = Talk(client, await client.create(backend="command"))
    await talk.say("echo one; echo two")
    user, assistant = (await talk.get("messages")).json()["messages"]
    assert (user["text"], assistant["text"]) == ("echo one; echo two", "one\ntwo\n")
    assert assistant["outcome"] == "completed"
    assert user["source"] == assistant["source"] == "journal"
