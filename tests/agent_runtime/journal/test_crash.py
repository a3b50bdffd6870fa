"""The journal after a death in mid-write (fault 32)."""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_runtime.errors import FolderBusy, JournalBroken
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.lock import FolderLock
from tests.agent_runtime.commands import event, message

_WRITE_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from agent_runtime.journal.journal import Journal
from tests.agent_runtime.commands import event, message

async def main():
    journal = Journal(Path(sys.argv[1]))
    number = 0
    while True:
        turn = (await journal.accept(message(f"r{number}"))).turn.turn
        journal.append(turn, event(f"{number}"))
        await journal.put_fact("flush", "1")
        print(number, journal.latest_seq(), flush=True)
        number += 1

asyncio.run(main())
"""

_WRITE_SOME = """
import asyncio, sys
from pathlib import Path
from agent_runtime.journal.journal import Journal
from tests.agent_runtime.commands import message

async def main():
    async with Journal(Path(sys.argv[1])) as journal:
        for number in range(int(sys.argv[2])):
            await journal.accept(message(f"r{number}"))
        for pragma in ("synchronous", "journal_mode"):
            print(*journal._writer._connection.execute(f"PRAGMA {pragma}").fetchone())

asyncio.run(main())
"""


def _write_until_killed(folder: Path) -> list[list[str]]:
    """The lines (number, seq) that the writer printed before kill -9."""
    command = [sys.executable, "-c", _WRITE_FOR_EVER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(50)]
        writer.kill()
        rest = writer.stdout.read().rpartition("\n")[0]
    return [line.split() for line in [*lines, *rest.splitlines()]]


async def test_fault_32_nothing_acknowledged_is_lost_when_the_writer_is_killed(
    tmp_path: Path,
) -> None:
    """What was told to be on disk is there after kill -9, under the same id and content."""
    told = _write_until_killed(tmp_path)
    assert len(told) >= 50
    async with Journal(tmp_path) as journal:
        for number, seq in told:
            (row,) = journal.cursor(journal.turn(f"r{number}").turn, None).take()
            assert (row.seq, row.response.event.event_json) == (int(seq), number.encode())


async def test_a_file_that_is_damaged_under_us_is_told_in_words(tmp_path: Path) -> None:
    """Nobody waits for ever for a writer that has died of it, and the runtime can still end."""
    async with Journal(tmp_path) as journal:
        await journal.accept(message("r1"))
        other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        other.execute("CREATE TABLE other (a)")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        other.close()
        with (tmp_path / "journal.db").open("r+b") as file:
            file.write(bytes(100))
        accepting = asyncio.ensure_future(journal.accept(message("r2")))
        assert not (await asyncio.wait({accepting}, timeout=0.3))[0]
    with pytest.raises(JournalBroken, match="not a database"):
        await asyncio.wait_for(accepting, 10)


def test_every_commit_is_fsynced(tmp_path: Path) -> None:
    """What was accepted outlives a power cut: one fsync at least for each answer, not just at
    checkpoints."""
    accepts = 40
    trace = tmp_path / "trace"
    command = [sys.executable, "-c", _WRITE_SOME, str(tmp_path), str(accepts)]
    if strace := shutil.which("strace"):
        command = [strace, "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), *command]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.split() == ["2", "wal"]  # FULL
    if strace:
        assert len(re.findall(r"f(?:data)?sync\(", trace.read_text("ascii"))) >= accepts


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kept=st.floats(0, 1))
async def test_fault_32_a_journal_cut_off_in_mid_write_opens(tmp_path: Path, kept: float) -> None:
    """Whatever part of the last write reached the disk: it opens and holds a prefix."""
    source, cut = tmp_path / "source", tmp_path / "cut"
    for folder in (source, cut):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    async with Journal(source) as journal:
        turn = (await journal.accept(message("r1"))).turn.turn
        for number in range(20):
            journal.append(turn, event(str(number)))
            await journal.put_fact("flush", str(number))
        for name in ("journal.db", "journal.db-wal"):
            shutil.copyfile(source / name, cut / name)
    wal = cut / "journal.db-wal"
    with wal.open("r+b") as file:
        file.truncate(int(wal.stat().st_size * kept))
    async with Journal(cut) as journal:
        rows = journal.cursor(None, None).take()
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert [row.response.event.event_json for row in rows] == [
            str(number).encode() for number in range(len(rows))
        ]


def test_one_runtime_a_folder(tmp_path: Path) -> None:
    """The lock is exclusive, is not inherited by children, and ends with its holder."""
    lock = FolderLock.take(tmp_path)
    child = subprocess.Popen(["sleep", "30"], close_fds=False)
    try:
        with pytest.raises(FolderBusy):
            FolderLock.take(tmp_path)
        lock.release()
        FolderLock.take(tmp_path).release()
    finally:
        child.kill()
        child.wait()
