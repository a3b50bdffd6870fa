"""The writer: what goes into which commit."""

import asyncio
import time
from contextlib import closing
from pathlib import Path

from agent_runtime.journal import schema, statements, writer
from agent_runtime.journal.writer import Writer


async def test_what_is_not_urgent_goes_with_the_next_commit(tmp_path: Path) -> None:
    """An acknowledgement costs no commit of its own while there is something else to write."""
    with closing(schema.connect(tmp_path)) as reader:

        def commits() -> int:
            (count,) = reader.execute("PRAGMA data_version").fetchone()
            return int(count)

        before, writing = commits(), Writer(schema.connect(tmp_path))
        patient = writing.submit(lambda c: statements.put_fact(c, "name", "1"), urgent=False)
        await asyncio.sleep(0)
        assert not patient.done()
        await writing.submit(lambda c: statements.put_fact(c, "name", "2"))
        assert patient.done()
        assert commits() == before + 1
        (value,) = reader.execute("SELECT value FROM facts WHERE name = 'name'").fetchone()
        assert value == "2"  # in the order in which they came
        await writing.close()


async def test_what_is_not_urgent_does_not_wait_for_ever(tmp_path: Path) -> None:
    """Also when nothing else comes, and when what came before has been committed."""
    writing = Writer(schema.connect(tmp_path))
    for _ in range(2):
        began_s = time.monotonic()
        await writing.submit(lambda c: statements.put_fact(c, "a", "1"), urgent=False)
        assert time.monotonic() - began_s >= writer.PATIENCE_S * 0.9
        await writing.submit(lambda c: statements.put_fact(c, "b", "1"))
    await writing.close()


async def test_closing_commits_what_is_not_urgent(tmp_path: Path) -> None:
    """A runtime that ends has kept everything it was told."""
    writing = Writer(schema.connect(tmp_path))
    patient = writing.submit(lambda c: statements.put_fact(c, "a", "1"), urgent=False)
    await writing.close()
    assert patient.done()
    with closing(schema.connect(tmp_path)) as reader:
        assert reader.execute("SELECT value FROM facts WHERE name = 'a'").fetchone() == ("1",)
