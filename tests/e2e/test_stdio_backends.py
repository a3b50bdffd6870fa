"""The real Claude Code, Codex and codex-acp behind the HTTP API, against the stub model."""

import asyncio
import os
import shlex
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli import install
from tests.e2e.conversation.talk import LIMIT_S, Talk, kinds
from tests.e2e.conversation.test_chat import chatting
from tests.e2e.story import SECRET, first_seen, signed, text, turn, whole
from tests.gateway.cli.command import ENTER
from tests.peers.gateway import Client, House, house
from tests.peers.processes import runtimes
from tests.peers.receiver import Receiver
from tests.peers.stub_model import (
    ANTHROPIC_MODEL,
    KEY,
    Call,
    Say,
    Stall,
    StubModel,
    claude_env,
    codex_config,
    stub_model,
)


@dataclass(frozen=True)
class Stage:
    """A house in which that backend is usable, and the model of its agents."""

    backend: str
    agents_model: str
    house: House
    model: StubModel

    async def agent(self, client: Client) -> str:
        more = {"model": self.agents_model} if self.agents_model else {}
        return await client.create(backend=self.backend, **more)

    def run(self, command: str) -> Call:
        """As the model asks for it."""
        if self.backend == "claude_code":
            return Call("Bash", {"command": command, "description": "run"})
        return Call("exec_command", {"cmd": command, "yield_time_ms": 30_000})


@pytest.fixture
async def model() -> AsyncIterator[StubModel]:
    async with stub_model() as made:
        yield made


@pytest.fixture(params=["acp", "claude_code", "codex"])
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, model: StubModel
) -> AsyncIterator[Stage]:
    """All three could be used: the gateway has the keys of all, an agent gets its own."""
    try:
        programs = {
            "FORGE_ACP_COMMAND": shlex.quote(str(install.codex_acp())),
            "FORGE_CLAUDE_CODE_BIN": str(install.claude()),
            "FORGE_CODEX_BIN": str(install.codex()),
        }
    except install.Missing as missing:
        pytest.skip(f"a CLI is missing: {missing}")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(codex_config(model.url))
    settings = {**programs, **claude_env(model.root), "OPENAI_API_KEY": KEY}
    agents_model = ANTHROPIC_MODEL if request.param == "claude_code" else ""
    async with house(tmp_path, **settings) as made:
        yield Stage(request.param, agents_model, made, model)


@pytest.fixture
def place(stage: Stage) -> House:
    """The house of the client."""
    return stage.house


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


async def test_a_killed_runtime_resumes_the_session(
    stage: Stage, client: Client, receiver: Receiver
) -> None:
    """A conversation; kill -9 in mid-turn: AGENT_RESTARTED; then it goes on where it was.

    The agent's CLI has the keys of its own provider and of no other.
    """
    agent = await stage.agent(client)
    stage.model.script(Say("Noted.", think="Hm."))
    first = await say(client, receiver, agent, "remember the word QUINCE")
    assert first[-1]["outcome"] == "completed"
    assert "Noted." in text(first)
    assert all(payload["backend"] == stage.backend for payload in first)
    kinds = {payload.get("kind") for payload in first}
    assert {"text.delta", "reasoning.delta"} <= kinds
    stage.model.script(Stall("Hmm"))
    stalled = await client.send(agent, "think", receiver.url)
    request_id = stalled.json()["request_id"]
    await receiver.noticed.until(
        lambda: "Hmm" in str([h.json() for h in receiver.hooks if request_id in str(h.body)]),
        within_s=60,
    )
    (runtime,) = runtimes(stage.house.state).values()
    env = Path(f"/proc/{runtime}/environ").read_bytes()
    has = {name for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY") if name.encode() in env}
    wanted = {"claude_code": {"ANTHROPIC_API_KEY"}, "codex": {"OPENAI_API_KEY"}}
    assert has == wanted.get(stage.backend, {"ANTHROPIC_API_KEY", "OPENAI_API_KEY"})
    os.kill(runtime, signal.SIGKILL)
    final = first_seen(await turn(receiver, request_id))[-1]
    error = final["error"]
    assert isinstance(error, dict)
    assert error["code"] == "AGENT_RESTARTED"
    stage.model.script(Say("QUINCE it was."))
    after = await say(client, receiver, agent, "which word?")
    assert "QUINCE" in text(after)
    assert after[-1]["session_id"] == first[-1]["session_id"] != ""
    assert "remember the word QUINCE" in str(stage.model.requests[-1])


@pytest.mark.parametrize("stage", ["claude_code", "codex"], indirect=True)
async def test_a_permission_is_answered_over_http(stage: Stage, client: Client) -> None:
    """The list has it, and says what it wants; one answer lets it run, another comes too late."""
    talk = Talk(client, await stage.agent(client))
    here = stage.house.state / "agents" / talk.agent / "workspace" / "here"
    stage.model.script(stage.run("touch here"), Say("Done."))
    turn = await talk.send("touch it")
    (prompt,) = await talk.asked()
    assert (prompt["kind"], prompt["request_id"]) == ("permission", turn)
    assert "touch here" in str(prompt["input"])
    assert not here.exists()
    path = f"prompts/{prompt['prompt_id']}"
    assert (await talk.post(path, decision="once")).status_code == 202
    assert (await talk.post(path, decision="reject")).status_code == 409
    payloads = await talk.whole(turn)
    assert payloads[-1]["outcome"] == "completed"
    (answered,) = kinds(payloads, "permission.answered")
    assert (answered["prompt_id"], answered["decision"]) == (prompt["prompt_id"], "once")
    assert here.exists()


@pytest.mark.parametrize("stage", ["codex"], indirect=True)
async def test_a_message_now_joins_the_turn_that_runs(stage: Stage, client: Client) -> None:
    """Codex can be steered: the message's own turn is over at once, its policy holds in the
    running one, the model hears of it there, and nothing is interrupted."""
    talk = Talk(client, await stage.agent(client))
    stage.model.script(stage.run("touch one"), stage.run("touch two"), Say("Steered."))
    turn = await talk.send("touch it")
    (prompt,) = await talk.asked()
    policy = {"rules": [{"tool": prompt["tool"], "action": "deny"}]}
    (steered,) = await talk.say("Look at 4711.", when="now", policy=policy)
    assert (steered["outcome"], steered["is_final"]) == ("completed", True)
    assert (await talk.post(f"prompts/{prompt['prompt_id']}", decision="once")).status_code == 202
    payloads = await talk.whole(turn)
    assert (payloads[-1]["outcome"], text(payloads)[-8:]) == ("completed", "Steered.")
    decisions = [answered["decision"] for answered in kinds(payloads, "permission.answered")]
    assert decisions == ["once", "reject"]
    assert "4711" in str(stage.model.requests[-1])


@pytest.mark.parametrize("stage", ["codex"], indirect=True)
async def test_the_terminal_steers(stage: Stage, client: Client, tmp_path: Path) -> None:
    """`/now` while something is asked goes into the turn that runs: the model hears of it there,
    and nothing is interrupted or queued."""
    talk = Talk(client, await stage.agent(client))
    stage.model.script(stage.run("touch here"), Say("Steered."))
    async with chatting(stage.house, talk, tmp_path) as shown:
        shown.press(b"touch it" + ENTER)
        await shown.until_last("y/a/n >")
        shown.press(b"/now look at 4711" + ENTER)
        await shown.until_row("> /now look at 4711")
        await until_ended(talk, count=1)
        shown.press(b"y" + ENTER)
        await shown.until_row("Steered.")
        await shown.until_row("completed in")
        assert not any("interrupted" in row or "queued" in row for row in shown.rows)
    assert "4711" in str(stage.model.requests[1])
    assert len(stage.model.requests) == 2


async def until_ended(talk: Talk, *, count: int) -> None:
    """So many turns have their finals."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            turns = (await talk.get("turns")).json()["turns"]
            if sum(each["state"] == "ended" for each in turns) >= count:
                return
            await asyncio.sleep(0.1)
