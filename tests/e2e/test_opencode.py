"""The real OpenCode behind the HTTP API, against the project's own stub model."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli import install
from tests.e2e.story import SECRET, first_seen, signed, text, turn, whole
from tests.peers.gateway import Client, House, house
from tests.peers.processes import runtimes
from tests.peers.receiver import Receiver
from tests.peers.stub_model import Call, Say, Stall, StubModel, opencode_config, stub_model


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        return install.opencode()
    except install.Missing as missing:
        pytest.skip(f"no opencode: {missing}")


@pytest.fixture
async def model() -> AsyncIterator[StubModel]:
    async with stub_model() as made:
        yield made


@pytest.fixture
async def place(tmp_path: Path, model: StubModel, binary: Path) -> AsyncIterator[House]:
    """A house in which the opencode backend is usable."""
    settings = {
        "FORGE_BACKEND": "opencode",
        "FORGE_OPENCODE_BIN": str(binary),
        "OPENCODE_CONFIG_CONTENT": opencode_config(model.url),
    }
    install.prepare_home(tmp_path)
    async with house(tmp_path, **settings) as made:
        yield made


async def say(
    client: Client, receiver: Receiver, agent: str, words: str
) -> list[dict[str, object]]:
    """Send a message; its payloads up to the final, all signatures checked."""
    answer = await client.send(agent, words, receiver.url, webhook_secret=SECRET)
    assert answer.status_code == 202, answer.text
    hooks = await turn(receiver, answer.json()["request_id"], within_s=60)
    for hook in hooks:
        signed(hook)
    payloads = first_seen(hooks)
    whole(payloads)
    return payloads


async def test_a_conversation(client: Client, receiver: Receiver, model: StubModel) -> None:
    """A prompt with a tool call, then a second turn that remembers the first."""
    agent = await client.create(backend="opencode")
    model.script(
        Call("write", {"filePath": "hello.txt", "content": "hi"}, text="Writing."), Say("Done.")
    )
    first = await say(client, receiver, agent, "remember the word MARMALADE")
    assert first[-1]["outcome"] == "completed"
    kinds = [payload.get("kind") for payload in first]
    assert {"text.delta", "tool.started", "tool.finished", "usage"} <= set(kinds)
    assert "Done." in text(first)
    for payload in first[:-1]:
        event = payload["event"]
        assert isinstance(event, dict)
        assert payload["opencode_event_type"] == payload["backend_event_type"] == event["type"]
        assert payload["backend"] == "opencode"
    usage = first[-1]["usage"]
    assert isinstance(usage, dict)
    assert usage["output_tokens"] > 0
    model.script(Say("It was MARMALADE."))
    second = await say(client, receiver, agent, "which word?")
    assert "MARMALADE" in text(second)
    told = str(model.requests[-1]["messages"])
    assert "remember the word MARMALADE" in told
    assert second[-1]["session_id"] == first[-1]["session_id"] != ""


async def test_an_interrupt(client: Client, receiver: Receiver, model: StubModel) -> None:
    """abort ends the turn as interrupted; the next prompt works."""
    agent = await client.create(backend="opencode")
    model.script(Stall("Thinking about it"))
    answer = await client.send(agent, "think", receiver.url)
    await receiver.noticed.until(
        lambda: any(hook.json().get("kind") == "text.delta" for hook in receiver.hooks),
        within_s=60,
    )
    await client.interrupt(agent, receiver.url)
    final = first_seen(await turn(receiver, answer.json()["request_id"]))[-1]
    assert final["outcome"] == "interrupted"
    model.script(Say("Here again."))
    assert "Here again." in text(await say(client, receiver, agent, "still there?"))


async def test_a_killed_runtime_resumes_the_session(
    place: House, client: Client, receiver: Receiver, model: StubModel
) -> None:
    """kill -9 in mid-turn: AGENT_RESTARTED, then the same session with its history."""
    agent = await client.create(backend="opencode")
    model.script(Say("Noted."))
    first = await say(client, receiver, agent, "remember the word QUINCE")
    model.script(Stall("Hmm"))
    stalled = await client.send(agent, "think", receiver.url)
    request_id = stalled.json()["request_id"]
    await receiver.noticed.until(
        lambda: "Hmm" in str([h.json() for h in receiver.hooks if request_id in str(h.body)]),
        within_s=60,
    )
    (runtime,) = runtimes(place.state).values()
    os.kill(runtime, signal.SIGKILL)
    final = first_seen(await turn(receiver, request_id))[-1]
    error = final["error"]
    assert isinstance(error, dict)
    assert error["code"] == "AGENT_RESTARTED"
    model.script(Say("QUINCE it was."))
    after = await say(client, receiver, agent, "which word?")
    assert "QUINCE" in text(after)
    assert after[-1]["session_id"] == first[-1]["session_id"]
    assert "remember the word QUINCE" in str(model.requests[-1]["messages"])
