"""Models that a CLI does not know, with real CLIs."""

from pathlib import Path

from agent_runtime.backends.acp import AcpBackend
from agent_runtime.backends.message import Message
from agent_runtime.model import Code, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.rigs import ModelRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.acp_peer import END, PeerScript, command
from tests.peers.stub_model import Fail

UNKNOWN = "stub/nope"
KNOWN = {
    "acp": "stub/stub-model",
    "claude_code": "sonnet",
    "codex": "gpt-",
    "opencode": "stub/stub-model",
}
"""What each of them lists, among others."""


async def test_a_turn_that_fails_names_the_models_that_are_known(
    model_rig: ModelRig, sink: RecordingSink
) -> None:
    """One chosen before the CLI has run, which nobody could refuse then."""
    rig = model_rig
    rig.model.repeat = Fail(404, "there is no such model")
    async with started(rig.make_with(model=UNKNOWN)) as backend:
        end = await backend.prompt(Message("Hello."), sink)
        rig.model.repeat = None
        await backend.set_model(rig.other_model)
        again = await backend.prompt(Message("Hello."), RecordingSink())
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    _, _, known = end.message.partition("known are ")
    assert KNOWN[rig.kind.name] in known, end.message
    assert again.outcome is Outcome.COMPLETED


async def test_an_agent_without_a_choice_of_models_says_so(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """A model that was given before it could say so is not ignored."""
    script = PeerScript(steps=[END])
    context = place.context(options={"FORGE_ACP_COMMAND": command(tmp_path, script)}, model="any")
    async with started(AcpBackend.create(context)) as backend:
        end = await backend.prompt(Message("Hello."), sink)
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "lists no models" in end.message
    assert "'any'" in end.message
