"""forge demo: everything starts, is shown verified, and goes away again."""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.cli.command import CTRL_C, Outcome, forge, terminal
from tests.gateway.cli.leftovers import end_runtimes_of, runtimes_of

COMMAND = ("--backend", "command")
LIMIT_S = 60.0


@pytest.fixture
def clean(machine: dict[str, str]) -> Iterator[dict[str, str]]:
    """Nothing of the demo may be left when it has ended."""
    yield machine
    try:
        assert runtimes_of(machine["FORGE_STATE_DIR"]) == []
        assert list(Path(machine["FORGE_STATE_DIR"], "agents").glob("agt*")) == []
    finally:
        end_runtimes_of(machine["FORGE_STATE_DIR"])


async def test_once(clean: dict[str, str]) -> None:
    """One turn, every webhook verified, its final, a time line; status 0; nothing left."""
    ended = await forge("demo", "--once", *COMMAND, env=clean, limit_s=LIMIT_S)
    assert (ended.status, ended.err) == (0, "")
    rows = [row for row in ended.out.splitlines() if "seq " in row]
    assert len(rows) >= 5
    assert all("signature ok" in row for row in rows)
    assert "agent.complete" in rows[-1]
    seqs = [int(re.findall(r"seq (\d+)", row)[0]) for row in rows]
    assert seqs == sorted(seqs)
    assert "completed in" in ended.out
    stages = ended.out.partition("time line: ")[2]
    order = [
        stages.index(s) for s in ("gateway up", "agent ready", "202", "first webhook", "final")
    ]
    assert order == sorted(order)


async def test_taken_port(clean: dict[str, str]) -> None:
    """Where the port is taken it says so and takes another."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = str(bound.getsockname()[1])
        env = clean | {"PORT": port}
        ended = await forge("demo", "--once", *COMMAND, env=env, limit_s=LIMIT_S)
    assert ended.status == 0
    assert f"port {port} is taken" in ended.out


async def test_stays_up_until_ctrl_c(clean: dict[str, str]) -> None:
    """The printed lines work when pasted, and their events are shown; Ctrl-C ends it all."""
    env = clean | {"NO_COLOR": "1", "COLUMNS": "400"}
    async with terminal("demo", *COMMAND, env=env) as shown:
        await shown.until("/interrupt")
        lines = re.findall(r"^curl .*$", shown.shown.replace("\r", ""), re.MULTILINE)
        assert len(lines) == 3
        message, look, interrupt = [await pasted(line) for line in lines]
        assert '"status":"processing"' in message.out
        assert '"agent_id"' in look.out
        assert '"status":"interrupting"' in interrupt.out
        await shown.until(re.findall(r"req_\w+", interrupt.out)[0])
        shown.press(CTRL_C)
        assert await shown.ended() == 0
    assert "Traceback" not in shown.shown


@pytest.mark.parametrize("moment", ["backend command", "gateway up", "agent ready", "seq 2"])
async def test_ctrl_c_at_any_moment_leaves_nothing(clean: dict[str, str], moment: str) -> None:
    """However far it has come, one Ctrl-C undoes it without a traceback."""
    async with terminal("demo", *COMMAND, env=clean) as shown:
        await shown.until(moment)
        shown.press(CTRL_C)
        assert await shown.ended() == 0
    assert "Traceback" not in shown.shown


async def test_unknown_backend_is_a_sentence(clean: dict[str, str]) -> None:
    """A backend that is not there is named beside those that are."""
    ended = await forge("demo", "--once", "--backend", "cobol", env=clean)
    assert ended.status == 1
    assert "there is no backend 'cobol'; there are " in ended.err


async def pasted(line: str) -> Outcome:
    """A line as a person's shell runs it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("bash", "-c", line, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    return Outcome(process.returncode, out.decode(), err.decode())
