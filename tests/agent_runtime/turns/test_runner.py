"""The queue and the runner, over a real journal and a scripted backend."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import (
    BackendCrashed,
    BackendUnusable,
    Closing,
    UnknownTurn,
    Unsupported,
)
from agent_runtime.journal.journal import Journal
from agent_runtime.model import TurnEnd
from agent_runtime.turns import prompt
from agent_runtime.turns.command import check
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.commands import interrupt, message
from tests.agent_runtime.turns.bench import bench
from tests.agent_runtime.turns.scripted import (
    ScriptedBackend,
    echo,
    for_ever,
    until_interrupted,
)


async def test_turns_run_one_at_a_time_in_order_of_arrival(tmp_path: Path) -> None:
    """The queue keeps the order of acceptance."""
    async with bench(tmp_path) as b:
        await asyncio.gather(*(b.runner.submit(message(f"r{n}", f"m{n}")) for n in range(20)))
        for n in range(20):
            assert (await b.until(f"r{n}")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert b.backend.prompts == [f"m{n}" for n in range(20)]
        firsts = [b.journal.turn(f"r{n}").first_seq for n in range(20)]
        assert firsts == sorted(firsts)


async def test_an_interrupt_ends_the_running_turn_and_itself(tmp_path: Path) -> None:
    """The interrupt bypasses the queue; the next message runs as ever."""
    async with bench(tmp_path, until_interrupted) as b:
        await b.runner.submit(message("r1", "one"))
        await b.until_prompted("one")
        await b.runner.submit(interrupt("i1"))
        ended = await b.until("r1")
        assert (ended.outcome, ended.complete.success) == (agent_pb2.OUTCOME_INTERRUPTED, False)
        assert (await b.until("i1")).complete.success
        b.backend.script = echo
        await b.runner.submit(message("r2"))
        assert (await b.until("r2")).outcome == agent_pb2.OUTCOME_COMPLETED


async def test_a_queued_target_ends_without_running(tmp_path: Path) -> None:
    """Interrupting a queued turn does not touch the running one."""
    async with bench(tmp_path, until_interrupted) as b:
        await b.runner.submit(message("r1", "one"))
        await b.runner.submit(message("r2", "two"))
        await b.until_prompted("one")
        await b.runner.submit(interrupt("i1", "r2"))
        assert (await b.until("r2")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert not b.journal.turn("r1").ended
        assert b.backend.prompts == ["one"]


async def test_an_interrupt_of_an_ended_turn_does_nothing(tmp_path: Path) -> None:
    """It never hits the turn that runs by then."""
    async with bench(tmp_path) as b:
        await b.runner.submit(message("r1", "one"))
        await b.until("r1")
        b.backend.script = until_interrupted
        await b.runner.submit(message("r2", "two"))
        await b.until_prompted("two")
        await b.runner.submit(interrupt("i1", "r1"))
        assert (await b.until("i1")).complete.success
        assert not b.journal.turn("r2").ended


async def test_a_turn_over_its_limit_times_out(tmp_path: Path) -> None:
    """timeout_ms of the message counts, from its start; the agent goes on."""
    async with bench(tmp_path, until_interrupted) as b:
        send = agent_pb2.SendMessageRequest(content="slow", timeout_ms=100)
        await b.runner.submit(check(agent_pb2.AgentRequest(request_id="r1", send_message=send)))
        ended = await b.until("r1")
        assert (ended.outcome, ended.error.code) == (agent_pb2.OUTCOME_TIMED_OUT, "TURN_TIMEOUT")
        assert "0.1 s" in ended.error.message


async def test_a_cli_that_does_not_obey_loses_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt ends the turn even when the backend ignores it."""
    monkeypatch.setattr(prompt, "_OBEY_S", 0.1)
    async with bench(tmp_path, for_ever) as b:
        await b.runner.submit(message("r1", "one"))
        await b.until_prompted("one")
        await b.runner.submit(interrupt("i1"))
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert b.backend.stops == 1


async def test_a_crash_fails_the_turn_and_the_cli_starts_anew(tmp_path: Path) -> None:
    """BACKEND_CRASHED with the reason, then the next turn on a fresh CLI."""

    async def crash(*_: object) -> None:
        raise BackendCrashed("exit status 3")

    async with bench(tmp_path, crash) as b:  # type: ignore[arg-type]  # it never returns
        await b.runner.submit(message("r1"))
        ended = await b.until("r1")
        assert (ended.error.code, ended.error.message) == ("BACKEND_CRASHED", "exit status 3")
        assert b.runner.failure == "exit status 3"
        assert not b.backend.running
        b.backend.script = echo
        await b.runner.submit(message("r2"))
        assert (await b.until("r2")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert b.runner.failure == ""


async def test_a_missing_cli_fails_the_turn_with_words(tmp_path: Path) -> None:
    """What is missing stands in the final."""
    async with bench(tmp_path) as b:
        b.backend.start_error = BackendUnusable("opencode is not installed")
        await b.runner.submit(message("r1"))
        assert (await b.until("r1")).error.message == "opencode is not installed"


async def test_a_fault_of_the_adapter_ends_only_its_turn(tmp_path: Path) -> None:
    """An unexpected exception is a PROCESSING_ERROR without its details."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    async with bench(tmp_path, broken) as b:  # type: ignore[arg-type]  # it never returns
        await b.runner.submit(message("r1"))
        ended = await b.until("r1")
        assert ended.error.code == "PROCESSING_ERROR"
        assert "secret" not in ended.error.message


async def test_a_command_that_cannot_be_read_ends_only_its_turn(tmp_path: Path) -> None:
    """It gets its final, and the next turn runs: it does not end one runtime after the other."""
    async with bench(tmp_path) as b:
        with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
            connection.execute(
                "CREATE TRIGGER spoil AFTER INSERT ON turns WHEN new.request_id = 'r1' BEGIN"
                " UPDATE turns SET command = x'ff' WHERE turn = new.turn; END"
            )
        await b.runner.submit(message("r1"))
        await b.runner.submit(message("r2"))
        assert (await b.until("r1")).error.code == "PROCESSING_ERROR"
        assert (await b.until("r2")).complete.success


async def test_short_turns_answer_beside_the_queue(tmp_path: Path) -> None:
    """set_model and set_permission_mode end with one complete, refused ones with an error."""
    async with bench(tmp_path, until_interrupted) as b:
        await b.runner.submit(message("r1", "one"))
        await b.until_prompted("one")
        for request_id, model in (("m1", "good"), ("m2", "bad")):
            set_model = agent_pb2.SetModelRequest(model=model)
            request = agent_pb2.AgentRequest(request_id=request_id, set_model=set_model)
            await b.runner.submit(check(request))
        assert (await b.until("m1")).complete.success
        assert (await b.until("m2")).error.message == "model: there is no such model"
        assert b.backend.models == ["good"]
        assert b.journal.fact("model") == "good"


async def test_fault_34_a_restart_ends_what_ran_and_runs_what_waited(tmp_path: Path) -> None:
    """AGENT_RESTARTED once; queued turns survive in order."""
    async with Journal(tmp_path) as journal:
        running = (await journal.accept(message("r1"))).turn.turn
        await journal.start_turn(running)
        await journal.accept(message("r2", "two"))
        await journal.accept(message("r3", "three"))
        await journal.accept(interrupt("i1", "r3"))
    async with bench(tmp_path) as b:
        assert (await b.until("r1")).error.code == "AGENT_RESTARTED"
        assert (await b.until("r2")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert (await b.until("r3")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert (await b.until("i1")).complete.success
        assert b.backend.prompts == ["two"]


async def test_a_caller_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    """A Submit that is cancelled after it began still runs: it may be on disk already."""
    async with bench(tmp_path) as b:
        call = asyncio.create_task(b.runner.submit(message("r1", "one")))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait({call})
        await b.runner.submit(message("r2", "two"))
        await b.until("r2")
        assert b.backend.prompts == ["one", "two"]


async def test_retiring_ends_every_turn(tmp_path: Path) -> None:
    """DELETE: running and queued turns end interrupted, nothing new is taken, the CLI is gone."""
    async with bench(tmp_path, until_interrupted) as b:
        await b.runner.submit(message("r1", "one"))
        await b.runner.submit(message("r2", "two"))
        await b.until_prompted("one")
        await b.runner.retire(graceful=False)
        for name in ("r1", "r2"):
            assert (await b.until(name)).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert b.backend.stops
        with pytest.raises(Closing):
            await b.runner.submit(message("r3"))


async def test_a_graceful_end_gives_the_running_turn_its_chance(tmp_path: Path) -> None:
    """It may finish within the grace, and is interrupted after it."""
    going_on = asyncio.Event()

    async def soon(backend: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        end = await echo(backend, content, sink)
        await going_on.wait()
        return end

    async with bench(tmp_path, soon) as b:
        await b.runner.submit(message("r1", "one"))
        await b.until_prompted("one")
        retiring = asyncio.create_task(b.runner.retire(graceful=True))
        await asyncio.sleep(0)
        going_on.set()
        await retiring
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_COMPLETED


async def test_retiring_ends_what_is_being_accepted_too(tmp_path: Path) -> None:
    """A message that is on its way to the disk when DELETE comes does not run afterwards."""
    go_on = threading.Event()
    async with bench(tmp_path) as b:
        b.journal._writer.submit(lambda _: go_on.wait(10))
        submitting = asyncio.create_task(b.runner.submit(message("r1", "one")))
        await asyncio.sleep(0)
        retiring = asyncio.create_task(b.runner.retire(graceful=False))
        assert not (await asyncio.wait({retiring}, timeout=0.2))[0]
        go_on.set()
        await retiring
        await submitting
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert b.backend.prompts == []


async def test_draining_waits_for_what_is_being_accepted(tmp_path: Path) -> None:
    """Its caller gets an answer, a short turn its final, before the journal is closed."""
    go_on = threading.Event()
    async with bench(tmp_path) as b:
        b.journal._writer.submit(lambda _: go_on.wait(10))
        submitting = asyncio.create_task(b.runner.submit(interrupt("i1")))
        await asyncio.sleep(0)
        draining = asyncio.create_task(b.runner.drain())
        assert not (await asyncio.wait({draining}, timeout=0.2))[0]
        go_on.set()
        await draining
        assert submitting.done()
        assert b.journal.turn("i1").ended


async def test_draining_keeps_what_is_queued(tmp_path: Path) -> None:
    """SIGTERM ends the running turn; queued ones run in the next process."""
    async with bench(tmp_path, until_interrupted) as b:
        await b.runner.submit(message("r1", "one"))
        await b.runner.submit(message("r2", "two"))
        await b.until_prompted("one")
        await b.runner.drain()
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert not b.journal.turn("r2").ended
    async with bench(tmp_path) as b:
        assert (await b.until("r2")).outcome == agent_pb2.OUTCOME_COMPLETED


async def test_what_the_backend_cannot_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The capability is named, nothing is journalled, and the backend is not asked."""
    monkeypatch.setattr(ScriptedBackend, "capabilities", frozenset())
    async with bench(tmp_path) as b:
        request = agent_pb2.AgentRequest(
            request_id="m1", set_model=agent_pb2.SetModelRequest(model="m")
        )
        with pytest.raises(Unsupported, match=r"it has no 'set_model'$") as refused:
            await b.runner.submit(check(request))
        assert refused.value.capability == "set_model"
        assert b.backend.models == []
        with pytest.raises(UnknownTurn):
            b.journal.turn("m1")
