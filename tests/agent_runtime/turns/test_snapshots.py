"""Which turn's work a diff tells, and what turns pay for it."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import GitFailed, Trimmed, UnknownTurn
from agent_runtime.journal import snapshots as book
from agent_runtime.journal.journal import Journal
from agent_runtime.model import Outcome, TurnEnd
from agent_runtime.turns import snapshots as taking
from agent_runtime.turns.diffs import Diff
from agent_runtime.workspace.repository import EMPTY_TREE
from tests.agent_runtime.commands import interrupt, message
from tests.agent_runtime.turns.bench import Bench
from tests.agent_runtime.turns.scripted import COMPLETED, ScriptedBackend


@contextlib.asynccontextmanager
async def at_work(
    folder: Path, *, pause_s: float = 0.0, watching: bool = True
) -> AsyncIterator[Bench]:
    """Messages are `NAME=CONTENT`, files to be written, of turns that take so long."""

    async def write(backend: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        name, _, text = content.partition("=")
        (bench.workspace / name).write_text(f"{text}\n")
        if text == "wait":
            await backend.interrupted.wait()
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        await asyncio.sleep(pause_s)
        return COMPLETED

    async with Journal(folder) as journal:
        bench = Bench(journal, folder, ScriptedBackend(write))
        await bench.begin()
        looking = asyncio.create_task(bench.snapshots.run() if watching else asyncio.sleep(0))
        try:
            yield bench
        finally:
            looking.cancel()
            bench.runner.hurry()
            await bench.runner.drain()
            assert bench.task is not None
            await bench.task
            await asyncio.wait({looking})


async def send(bench: Bench, request_id: str, content: str) -> None:
    await bench.runner.submit(message(request_id, content))
    await bench.until(request_id)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def until_taken(bench: Bench, count: int) -> None:
    await until(lambda: len(bench.journal.snapshots.all()) >= count)


def paths(diff: Diff) -> set[str]:
    return {os.fsdecode(file.path) for file in diff.changes.files}


async def test_a_turn_is_told_by_itself_where_there_was_a_pause(tmp_path: Path) -> None:
    """And what came later is not in it, nor what was there before."""
    async with at_work(tmp_path) as b:
        for n in range(1, 4):
            await send(b, f"r{n}", f"f{n}=x")
            await until_taken(b, n + 1)
        for n in range(1, 4):
            told = await b.diffs.of_turn(f"r{n}")
            assert (paths(told), told.turns) == ({f"f{n}"}, (f"r{n}",))
            assert 0 < told.since_ms <= told.until_ms
        assert paths(await b.diffs.of_all()) == {"f1", "f2", "f3"}


async def test_turns_without_a_pause_are_told_together(tmp_path: Path) -> None:
    """Who asks for one of them is told which others are in it."""
    async with at_work(tmp_path) as b:
        await asyncio.gather(*(b.runner.submit(message(f"r{n}", f"f{n}=x")) for n in (1, 2, 3)))
        await b.until("r3")
        for n in (1, 2, 3):
            told = await b.diffs.of_turn(f"r{n}")
            assert (paths(told), told.turns) == ({"f1", "f2", "f3"}, ("r1", "r2", "r3"))


async def test_whoever_asks_at_once_need_not_wait_for_a_pause(tmp_path: Path) -> None:
    """The question itself is a look, and a turn after it is told by itself."""
    async with at_work(tmp_path, watching=False) as b:
        await send(b, "r1", "f1=x")
        assert paths(await b.diffs.of_turn("r1")) == {"f1"}
        await send(b, "r2", "f2=x")
        assert (paths(await b.diffs.of_turn("r2"))) == {"f2"}
        assert (await b.diffs.of_turn("r1")).turns == ("r1",)


async def test_a_running_turn_is_told_up_to_now(tmp_path: Path) -> None:
    """What it does later is in its diff too: a look in the middle bounds nothing."""
    async with at_work(tmp_path) as b:
        await b.runner.submit(message("r1", "f1=wait"))
        await until((tmp_path / "workspace" / "f1").exists)
        assert paths(await b.diffs.of_turn("r1")) == {"f1"}
        (b.workspace / "later").write_text("x")
        await b.runner.submit(interrupt("i1"))
        await b.until("r1")
        assert paths(await b.diffs.of_turn("r1")) == {"f1", "later"}


async def test_what_did_not_run_changed_nothing(tmp_path: Path) -> None:
    """An interrupt, or a message that was interrupted in the queue."""
    async with at_work(tmp_path) as b:
        await b.runner.submit(message("r1", "f1=wait"))
        await b.runner.submit(message("r2", "f2=x"))
        await b.runner.submit(interrupt("i2", "r2"))
        await b.runner.submit(interrupt("i1"))
        await b.until("r1")
        for request_id in ("r2", "i1", "i2"):
            told = await b.diffs.of_turn(request_id)
            assert (told.changes.files, told.turns, told.since_ms) == ((), (), 0)
        with pytest.raises(UnknownTurn):
            await b.diffs.of_turn("r3")


async def test_long_turns_are_told_one_by_one_though_they_queue(tmp_path: Path) -> None:
    """After a turn of minutes nobody minds a moment of git, even with the next one waiting."""
    async with at_work(tmp_path) as b:
        b.snapshots._ran_s = 60.0
        for n in (1, 2, 3):
            await b.runner.submit(message(f"r{n}", f"f{n}=x"))
            await b.until(f"r{n}")
            b.snapshots._ran_s = 60.0
        for n in (1, 2, 3):
            assert (await b.diffs.of_turn(f"r{n}")).turns == (f"r{n}",)


async def test_short_turns_wait_for_no_look(tmp_path: Path) -> None:
    """A hundred of them run while git would look a few times."""
    async with at_work(tmp_path) as b:
        await asyncio.gather(*(b.runner.submit(message(f"r{n}", "f=x")) for n in range(100)))
        await b.until("r99")
        assert len(b.journal.snapshots.all()) == 1


async def test_a_turn_that_begins_ends_a_look_that_is_late(tmp_path: Path) -> None:
    """It does not run beside the turn for nothing, and does not pass for the state before it."""
    async with at_work(tmp_path) as b:
        looks: list[str] = []

        async def never() -> str:
            looks.append("began")
            try:
                await asyncio.Event().wait()
            finally:
                looks.append("ended")
            return EMPTY_TREE

        b.snapshots._repository.tree = never  # type: ignore[method-assign]
        await send(b, "r1", "f1=x")
        await until(lambda: bool(looks))
        started = time.monotonic()
        await send(b, "r2", "f2=x")
        assert time.monotonic() - started < 1
        assert looks == ["began", "ended"]
        assert len(b.journal.snapshots.all()) == 1


async def test_what_was_there_at_first_is_no_turns_work(tmp_path: Path) -> None:
    """The first turn waits for the look at what it finds."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "there").write_text("1\n")
    async with at_work(tmp_path, watching=False) as b:
        await send(b, "r1", "f1=x")
        assert paths(await b.diffs.of_turn("r1")) == {"f1"}
        assert paths(await b.diffs.of_all()) == {"f1"}


async def test_a_first_look_that_fails_is_told_as_such(tmp_path: Path) -> None:
    """Better no diff than one that shows as new what was there."""
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "there").write_text("1\n")
    async with at_work(tmp_path, watching=False) as b:
        tree = b.snapshots._repository.tree

        async def slow() -> str:
            await asyncio.sleep(60)
            return EMPTY_TREE

        b.snapshots._repository.tree = slow  # type: ignore[method-assign]
        await b.runner.submit(message("r1", "f1=wait"))
        await until((tmp_path / "workspace" / "f1").exists)
        b.snapshots._repository.tree = tree  # type: ignore[method-assign]
        for asked in (b.diffs.of_turn("r1"), b.diffs.of_all()):
            with pytest.raises(Trimmed):
                await asked
        await b.runner.submit(interrupt("i1"))
        await b.until("r1")
        assert paths(await b.diffs.of_all()) == set()
        await send(b, "r2", "f2=x")
        assert paths(await b.diffs.of_all()) == {"f2"}


async def test_the_next_runtime_goes_on(tmp_path: Path) -> None:
    """Turns of the one before are told; what it had not looked at any more, it looks at."""
    async with at_work(tmp_path, watching=False) as b:
        await send(b, "r1", "f1=x")
    async with at_work(tmp_path) as b:
        await until_taken(b, 2)
        await send(b, "r2", "f2=x")
        assert (await b.diffs.of_turn("r1")).turns == ("r1",)
        told = await b.diffs.of_turn("r2")
        assert (paths(told), told.turns) == ({"f2"}, ("r2",))


async def test_old_turns_are_told_as_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never with the changes of others in their place; what was first is kept."""
    monkeypatch.setattr(book, "MAX_KEPT", 2)
    async with at_work(tmp_path, watching=False) as b:
        for n in range(1, 6):
            await send(b, f"r{n}", f"f{n}=x")
            await b.diffs.of_turn(f"r{n}")
        for old in ("r1", "r2", "r3"):
            with pytest.raises(Trimmed, match=old):
                await b.diffs.of_turn(old)
        assert paths(await b.diffs.of_turn("r5")) == {"f5"}
        assert paths(await b.diffs.of_all()) == {f"f{n}" for n in range(1, 6)}
        await b.snapshots._tidy()
        assert paths(await b.diffs.of_all()) == {f"f{n}" for n in range(1, 6)}


@pytest.mark.parametrize("lost", ["objects", "all"])
async def test_a_repository_that_is_of_no_use_is_begun_anew(tmp_path: Path, lost: str) -> None:
    """After a power cut, say: what was is not kept, and later turns have their diffs."""
    async with at_work(tmp_path, watching=False) as b:
        await send(b, "r1", "f1=x")
        assert paths(await b.diffs.of_turn("r1")) == {"f1"}
    for path in (tmp_path / "snapshots").rglob("*"):
        if path.is_file() and (lost == "all" or "objects" in path.parts):
            path.chmod(0o600)
            path.write_bytes(b"")
            if lost == "all":
                path.unlink()
    async with at_work(tmp_path) as b:
        for n in range(2, 8):
            await send(b, f"r{n}", f"f{n}=x")
            await b.snapshots._attempt()
            with contextlib.suppress(GitFailed, Trimmed):
                await b.diffs.of_turn(f"r{n}")
        told = await b.diffs.of_turn("r7")
        assert (paths(told), told.turns) == ({"f7"}, ("r7",))
        with pytest.raises(Trimmed):
            await b.diffs.of_turn("r1")


async def test_too_many_questions_are_refused(tmp_path: Path) -> None:
    """Each is bounded in time, and so many wait."""
    async with at_work(tmp_path) as b:
        await send(b, "r1", "f1=x")
        asked: list[Awaitable[Diff]] = [b.diffs.of_turn("r1") for _ in range(20)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in told if isinstance(answer, BaseException)]
        assert len(refused) == 12
        assert all("too many" in str(error) for error in refused)


async def test_a_workspace_in_which_git_hangs_has_no_diffs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else suffers: turns go on, the look is ended and told as too long."""
    monkeypatch.setattr(taking, "_CHANGES_S", 0.5)
    async with at_work(tmp_path) as b:
        os.mkfifo(b.workspace / ".gitignore")
        await send(b, "r1", "f1=x")
        with pytest.raises(GitFailed, match="not done within"):
            await b.diffs.of_turn("r1")
        await send(b, "r2", "f2=x")
        (b.workspace / ".gitignore").unlink()
        assert paths(await b.diffs.of_turn("r2")) == {"f1", "f2"}
