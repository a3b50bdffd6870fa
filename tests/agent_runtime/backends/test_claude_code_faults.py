"""Claude Code that misbehaves: a scripted peer in its place."""

from pathlib import Path

from agent_runtime.backends.message import Message
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.scripted import CLAUDE_CODE
from tests.agent_runtime.backends.sink import RecordingSink
from tests.peers.claude_peer import BEGIN, END, text

HELLO = Message("Hello.")


async def test_a_turn_of_the_clis_own_does_not_end_ours(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What it does before it takes our message up belongs to another turn, and is not told."""
    steps = [text("another's"), END, BEGIN, text("ours"), END]
    async with CLAUDE_CODE.started(place, tmp_path, steps=steps) as backend:
        await backend.prompt(HELLO, sink)
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["ours"]


async def test_a_model_that_is_refused_fails_the_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """In the CLI's own words, and the CLI stays usable."""
    async with CLAUDE_CODE.started(
        place, tmp_path, refuse_model="no such model", steps=[BEGIN, END]
    ) as backend:
        await backend.set_model("nope")
        end = await backend.prompt(HELLO, sink)
        assert backend.running
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "no such model" in end.message
