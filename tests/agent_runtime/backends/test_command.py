"""The command backend with real commands."""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent_runtime.backends.command import CommandBackend
from agent_runtime.backends.lines import LINE_LIMIT_BYTES
from agent_runtime.backends.message import Message
from agent_runtime.errors import BackendUnusable
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.sink import RecordingSink


@asynccontextmanager
async def started(
    place: Place, command: str = "", *, model: str = ""
) -> AsyncIterator[CommandBackend]:
    options = {"FORGE_COMMAND": command} if command else {}
    backend = CommandBackend.create(place.context(options=options, model=model))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.stop()


async def test_the_message_is_on_standard_input(place: Place, sink: RecordingSink) -> None:
    """A configured command gets the message whole, with a newline at its end."""
    async with started(place, "cat -A") as backend:
        await backend.prompt(Message("zwei\nlines"), sink)
    assert sink.said == "zwei$\nlines$\n"


async def test_the_command_line_is_shell_words(place: Place, sink: RecordingSink) -> None:
    """FORGE_COMMAND is split as a shell would split it, and run without a shell."""
    async with started(place, "printf '%s|' 'a b' $HOME") as backend:
        await backend.prompt(Message("x"), sink)
    assert sink.said == "a b|$HOME|"


async def test_the_command_runs_in_the_workspace(place: Place, sink: RecordingSink) -> None:
    """The working folder is the workspace; model and mode are in the environment."""
    async with started(place, model="m1") as backend:
        await backend.prompt(Message("pwd; echo $AGENT_MODEL $PERMISSION_MODE"), sink)
        await backend.set_model("m2")
        await backend.set_permission_mode("default")
        await backend.prompt(Message("echo $AGENT_MODEL $PERMISSION_MODE"), sink)
    assert sink.said == f"{place.workspace}\nm1 acceptEdits\nm2 default\n"


async def test_the_exit_code_is_the_outcome(place: Place, sink: RecordingSink) -> None:
    """A code other than 0 fails the turn, with the code and the end of standard error."""
    async with started(place) as backend:
        end = await backend.prompt(Message("echo out; echo 'no such luck' >&2; exit 3"), sink)
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert end.message == "the command exited with code 3: no such luck"
    assert sink.data(Kind.STATUS) == [{"status": "stderr", "message": "no such luck\n"}]
    assert sink.said == "out\n"


async def test_json_lines_pass_through(place: Place, sink: RecordingSink) -> None:
    """A command that speaks in events is not wrapped once more."""
    async with started(place) as backend:
        await backend.prompt(Message("""echo '{"type":"step","n":1}'; echo plain"""), sink)
    assert [event.event_type for event in sink.events] == ["step", "text"]
    assert sink.events[0].event_json == b'{"type":"step","n":1}'


async def test_bytes_that_are_no_text_break_nothing(place: Place, sink: RecordingSink) -> None:
    """Random bytes become text with replacement characters, and the turn completes."""
    async with started(place) as backend:
        end = await backend.prompt(Message("head -c 300000 /dev/urandom; echo; echo end"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.said.endswith("end\n")


async def test_a_long_line_comes_in_bounded_events(place: Place, sink: RecordingSink) -> None:
    """No event is larger than the documented bound, and a cut JSON line is text."""
    size = 3 * LINE_LIMIT_BYTES
    script = (
        f'printf \'{{"type":"big","x":"\'; head -c {size} /dev/zero | tr \'\\0\' x; echo \'"}}\''
    )
    async with started(place) as backend:
        await backend.prompt(Message(script), sink)
    assert {event.event_type for event in sink.events} == {"text"}
    assert len(sink.events) == 4
    assert len(sink.said) > size


async def test_a_command_that_ignores_its_input_is_no_error(
    place: Place, sink: RecordingSink
) -> None:
    """A message larger than a pipe, unread, does not fail or hold the turn."""
    async with started(place, "echo ignored") as backend:
        end = await backend.prompt(Message("x" * 1_000_000), sink)
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "ignored\n")


async def test_a_grandchild_that_holds_the_pipes_does_not_hold_the_turn(
    place: Place, sink: RecordingSink
) -> None:
    """What a command leaves running ends with it, soon after its exit."""
    async with started(place) as backend:
        end = await asyncio.wait_for(
            backend.prompt(Message("echo hi; sleep 600 & exit 0"), sink), 10
        )
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "hi\n")
    assert not place.alive()


async def test_a_chatty_grandchild_in_its_own_session_does_not_hold_the_turn(
    place: Place, sink: RecordingSink
) -> None:
    """Not even one that left the group and writes for ever."""
    escape = "import os; os.setsid()\nwhile True: os.write(1, b'y' * 1000 + b'\\n')"
    script = f"{sys.executable} -c {shlex.quote(escape)} & sleep 0.2"
    async with started(place) as backend:
        end = await asyncio.wait_for(backend.prompt(Message(script), sink), 30)
    assert end.outcome is Outcome.COMPLETED
    assert not place.alive()


async def test_what_was_written_before_the_exit_is_not_lost(place: Place) -> None:
    """Output still in the pipes when the command exits arrives, however slow the journal."""
    sink = RecordingSink()
    sink.open.clear()
    async with started(place) as backend:
        prompt = asyncio.create_task(
            backend.prompt(Message("seq 1 20000; sleep 600 & exit 0"), sink)
        )
        await sink.until(lambda: sink.waiting > 0)
        await asyncio.wait({prompt}, timeout=1.5)
        sink.open.set()
        end = await asyncio.wait_for(prompt, 30)
    assert end.outcome is Outcome.COMPLETED
    assert sink.said == "".join(f"{number}\n" for number in range(1, 20001))


async def test_a_fault_of_the_sink_ends_the_prompt(place: Place) -> None:
    """A journal that fails is not waited for; the command's processes go."""

    class Broken(RecordingSink):
        async def emit(self, _: object) -> None:
            raise RuntimeError("the journal is closed")

    async with started(place) as backend:
        with pytest.raises(RuntimeError, match="journal is closed"):
            await asyncio.wait_for(backend.prompt(Message("echo hi; sleep 600"), Broken()), 10)
        assert not place.alive()


@pytest.mark.parametrize("command", ["echo 'unclosed", "   "])
def test_a_command_line_that_is_none_is_refused(place: Place, command: str) -> None:
    """Wrong settings are told when the backend is made, by name."""
    with pytest.raises(BackendUnusable, match="FORGE_COMMAND"):
        CommandBackend.create(place.context(options={"FORGE_COMMAND": command}))


def test_probe_tells_what_would_run(place: Place) -> None:
    """doctor shows the command, or what is missing."""
    assert CommandBackend.probe(place.env).usable
    missing = CommandBackend.probe({**place.env, "FORGE_COMMAND": "no-such-command-here"})
    assert not missing.usable
    assert "no-such-command-here" in missing.detail
