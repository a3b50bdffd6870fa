"""Two real agents by the Agent Client Protocol: `opencode acp` and codex-acp."""

import shlex
from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends.acp import AcpBackend
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.errors import Invalid
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.rigs import AcpRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import KEY, Call, Fail, Say, StubModel, codex_config

HELLO = Message("Hello.")


@pytest.fixture
def codex_acp(place: Place, model: StubModel, codex_acp_binary: Path) -> AcpBackend:
    folder = place.users_home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(codex_config(model.url))
    options = {"FORGE_ACP_COMMAND": shlex.quote(str(codex_acp_binary))}
    return AcpBackend.create(place.context(options=options, env={"OPENAI_API_KEY": KEY}))


async def test_opencode_asks_and_tells(acp: AcpRig, sink: RecordingSink) -> None:
    """acceptEdits lets the agent write and refuses its command; each call begins and ends once."""
    write = acp.write("a.txt", "hi")
    message = acp.script(write, Say("Written.", think="Easy."), acp.run("touch b"))
    async with started(acp.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
        again = await backend.prompt(Message("Run it."), sink)
    assert (end.outcome, again.outcome) == (Outcome.COMPLETED, Outcome.COMPLETED)
    assert (acp.place.workspace / "a.txt").read_text() == "hi\n"
    assert not (acp.place.workspace / "b").exists()
    assert sink.said == "Written."
    assert [data["text"] for data in sink.data(Kind.REASONING_DELTA)] == ["Easy."]
    started_calls = [(data["tool"], data["call_id"]) for data in sink.data(Kind.TOOL_STARTED)]
    ended = [(data["tool"], data["call_id"]) for data in sink.data(Kind.TOOL_FINISHED)]
    assert started_calls == ended
    assert [name for name, _ in ended] == ["edit", "execute"]
    assert [data["status"] for data in sink.data(Kind.TOOL_FINISHED)] == ["completed", "error"]
    decisions = [data["decision"] for data in sink.data(Kind.PERMISSION_ANSWERED)]
    assert decisions == ["once", "reject"]


async def test_opencode_is_resumed_and_knows_its_models(acp: AcpRig, sink: RecordingSink) -> None:
    """Another process goes on with the conversation; a model that is not there is refused."""
    async with started(acp.make_with()) as backend:
        await backend.prompt(Message("My number is 4711."), sink)
        assert Capability.MODELS in backend.capabilities
        with pytest.raises(Invalid, match="'stub/nope'; known are stub/stub-model"):
            await backend.set_model("stub/nope")
        await backend.set_model("stub/stub-model")
    async with started(acp.make_with(session_id=sink.sessions[0])) as backend:
        end = await backend.prompt(Message("Which number?"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert "4711" in msgspec.json.encode(acp.model.requests[-1]).decode()
    assert len(set(sink.sessions)) == 1


async def test_codex_acp_writes_fails_and_is_resumed(
    place: Place, model: StubModel, codex_acp: AcpBackend, sink: RecordingSink
) -> None:
    """Another agent behind the same protocol: text, an allowed edit, an error, its session."""
    patch = "*** Begin Patch\n*** Add File: a.txt\n+hi\n*** End Patch"
    write = Call("exec_command", {"cmd": f"apply_patch <<'EOF'\n{patch}\nEOF\n"})
    async with started(codex_acp) as backend:
        model.script(Say("I begin.", think="Hm."), write, Say("My number is 4711."))
        ends = [await backend.prompt(HELLO, sink) for _ in range(2)]
        model.repeat = Fail(400, "too strange")
        failed = await backend.prompt(HELLO, RecordingSink())
        model.repeat = None
    assert [end.outcome for end in ends] == [Outcome.COMPLETED, Outcome.COMPLETED]
    assert (place.workspace / "a.txt").read_text() == "hi\n"
    assert "I begin." in sink.said
    assert sink.said.endswith("My number is 4711.")
    assert [data["tool"] for data in sink.data(Kind.TOOL_FINISHED)] == ["edit"]
    assert [data["decision"] for data in sink.data(Kind.PERMISSION_ANSWERED)] == ["once"]
    assert (failed.outcome, failed.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "too strange" in failed.message
    async with started(codex_acp) as backend:
        await backend.prompt(Message("Which number?"), sink)
    assert "4711" in msgspec.json.encode(model.requests[-1]["input"]).decode()
    assert len(set(sink.sessions)) == 1
