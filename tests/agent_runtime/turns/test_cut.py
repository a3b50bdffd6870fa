"""Events that are too large for the journal."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.model import BackendEvent, Kind, TurnEnd
from agent_runtime.turns import cut
from tests.agent_runtime.commands import message
from tests.agent_runtime.turns.bench import bench
from tests.agent_runtime.turns.scripted import COMPLETED, ScriptedBackend

LARGE = 10_000_000


def event(**data: Any) -> BackendEvent:
    """Of 10 MB, so says its CLI too."""
    encoded = msgspec.json.encode(data)
    return BackendEvent("part", b'{"type":"part","of":' + encoded + b"}", Kind.TEXT, encoded)


@pytest.mark.parametrize("letter", ["x", "ü", "\0", "\N{WINKING FACE}"])
def test_a_large_text_keeps_its_beginning(letter: str) -> None:
    """Whole characters, however long each is as JSON; and what is small beside it."""
    data = msgspec.json.decode(cut.data_json(event(part_id="p1", text=letter * LARGE)))
    assert data == {"part_id": "p1", "text": letter * cut.MAX_FIELD_BYTES, "truncated": True}


def test_a_large_value_that_is_no_text_is_left_out() -> None:
    """Half of an object means something else."""
    call = {"tool": "bash", "call_id": "c1", "input": {"lines": ["x" * 99] * 50_000}}
    data = msgspec.json.decode(cut.data_json(event(**call, output="y" * 100_000)))
    output = "y" * cut.MAX_FIELD_BYTES
    assert data == {"tool": "bash", "call_id": "c1", "output": output, "truncated": True}


def test_what_fits_is_untouched() -> None:
    """Byte for byte."""
    fits = event(text="x" * (cut.MAX_EVENT_BYTES - 100))
    assert (cut.data_json(fits), cut.event_json(fits)) == (fits.data_json, fits.event_json)
    assert cut.data_json(BackendEvent("other", b"{}")) == b""


async def test_an_event_of_ten_megabytes_is_journalled_in_short(tmp_path: Path) -> None:
    """With its kind and what there is room for, marked; the turn goes on."""

    async def shouts(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        await sink.emit(event(part_id=content, text="x" * LARGE))
        return COMPLETED

    async with bench(tmp_path, shouts) as b:
        await b.runner.submit(message("r1", "p1"))
        await b.until("r1")
        (row, _) = b.journal.cursor(b.journal.turn("r1").turn, None).take()
        told = row.response.event
        assert told.kind == "text"
        assert msgspec.json.decode(told.event_json) == {"type": "part", "truncated": True}
        data = msgspec.json.decode(told.data_json)
        assert (data["part_id"], len(data["text"])) == ("p1", cut.MAX_FIELD_BYTES)
