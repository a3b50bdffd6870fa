"""CLIs that misbehave: what every backend makes of it, with a scripted peer in the CLI's place."""

from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends import stdio
from agent_runtime.backends.message import Message
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.scripted import ACP, CLAUDE_CODE, CODEX, OPENCODE, Scripted
from tests.agent_runtime.backends.sink import RecordingSink

HELLO = Message("Hello.")
PIPED = {"acp": ACP, "claude_code": CLAUDE_CODE, "codex": CODEX}
ALL = {**PIPED, "opencode": OPENCODE}


@pytest.fixture(params=list(ALL))
def cli(request: pytest.FixtureRequest) -> Scripted:
    return ALL[request.param]


def texts(sink: RecordingSink) -> list[str]:
    return [data["text"] for kind in (Kind.TEXT, Kind.TEXT_DELTA) for data in sink.data(kind)]


def types(lines: tuple[str, ...]) -> list[str]:
    read = [msgspec.json.decode(line) for line in lines]
    return [told.get("type", told.get("method")) for told in read]


async def test_events_pass_byte_for_byte(
    cli: Scripted, place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """The CLI's own JSON is not touched: spacing, escapes, order and unknown types stay."""
    async with cli.doing(place, tmp_path, cli.odd, *cli.end) as backend:
        await backend.prompt(HELLO, sink)
    (event,) = [event for event in sink.events if b"1e2" in event.event_json]
    assert (event.event_json, event.kind) == (cli.odd.encode(), Kind.OTHER)


async def test_garbage_is_told_and_skipped(
    cli: Scripted, place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What cannot be read is told as status; what follows still arrives."""
    steps = [*cli.garbage, *cli.blank, cli.text("still here"), *cli.end]
    async with cli.doing(place, tmp_path, *steps) as backend:
        end = await backend.prompt(HELLO, sink)
    assert (end.outcome, texts(sink)) == (Outcome.COMPLETED, ["still here"])
    unreadable = [event for event in sink.events if event.event_type == "unreadable"]
    assert len(unreadable) == len(cli.garbage)
    for event in sink.events:
        msgspec.json.decode(event.event_json)


async def test_known_types_of_another_shape_pass_as_other(
    cli: Scripted, place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """A later version's shapes are passed on, without kind, and break nothing."""
    async with cli.doing(place, tmp_path, *cli.strange, *cli.end) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    told = [event.event_json.decode() for event in sink.events]
    assert [line for line in told if line in cli.strange] == list(cli.strange)


async def test_an_exit_in_mid_prompt_tells_the_end_of_its_errors(
    cli: Scripted, place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """How it ended and what it complained of last, without colours; it can be started anew."""
    steps = [cli.text("half"), "stderr:\x1b[31mout of\x1b[0m memory", "exit"]
    async with cli.doing(place, tmp_path, *steps) as backend:
        for _ in range(2):
            with pytest.raises(BackendCrashed, match=r"(?s)exited with code 3; .*out of memory"):
                await backend.prompt(HELLO, sink)
            assert not backend.running
            assert not place.alive()
            await backend.start()
    assert texts(sink) == ["half", "half"]


async def test_a_noisy_cli_is_always_drained(
    cli: Scripted, place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Megabytes of complaints do not block the CLI; the failure shows no more than their end."""
    async with cli.doing(place, tmp_path, "stderr:" + "x" * 3_000_000, "exit") as backend:
        with pytest.raises(BackendCrashed, match="xxx") as caught:
            await backend.prompt(HELLO, sink)
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("cli", PIPED.values(), ids=PIPED)
async def test_a_line_without_end_is_given_up(
    cli: Scripted,
    place: Place,
    tmp_path: Path,
    sink: RecordingSink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond its bound a line is a failure, said clearly, and not memory without bound."""
    monkeypatch.setattr(stdio, "LINE_LIMIT_BYTES", 2 * 1024 * 1024)
    async with cli.doing(place, tmp_path, "x" * 3 * 1024 * 1024, "hang") as backend:
        with pytest.raises(BackendCrashed, match=r"a line of more than 2 MiB.*still runs"):
            await backend.prompt(HELLO, sink)
    assert not place.alive()


async def test_a_cli_that_cannot_start_says_why(
    cli: Scripted, place: Place, tmp_path: Path
) -> None:
    """The end of its complaints is in the message, and nothing is left running."""
    with pytest.raises(BackendUnusable, match=r"exited with code 1.*the disk is full"):
        async with cli.started(place, tmp_path, **cli.broken):
            pass
    assert not place.alive()
