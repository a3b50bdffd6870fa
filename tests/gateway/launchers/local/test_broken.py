"""Files that cannot be read: they concern their own agent, and nothing follows from them."""

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.errors import Unavailable
from gateway.launchers.local import lock
from gateway.launchers.local.facts import AgentFacts
from tests.gateway.launchers.harness import LocalPlace, eventually, spec, status


def _naive(facts: bytes) -> bytes:
    """Without its time zone."""
    fields = msgspec.json.decode(facts)
    return msgspec.json.encode(fields | {"created_at": "2026-01-01T00:00:00"})


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda facts: facts[:20],
    "empty": lambda _: b"",
    "not UTF-8": lambda facts: facts.replace(b'"ada"', b'"\xff\xfe"'),
    "half a surrogate": lambda facts: facts.replace(b'"ada"', rb'"\ud800"'),
    "of another type": lambda _: b"[]",
    "too deep": lambda facts: facts.replace(b'"ada"', b"[" * 100_000),
    "deep in what is ignored": lambda facts: facts[:-1] + b',"x":' + b"[" * 100_000,
    "without a zone": _naive,
}


@contextlib.contextmanager
def _no_more_files() -> Iterator[None]:
    """This process has all the open files it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
async def test_broken_facts_hold_up_no_other_agent(
    place: LocalPlace, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """The others of the same owner are listed, and started again when they are killed."""
    launcher = await place.open()
    broken = place.folder("broken")
    broken.make()
    broken.facts.write_bytes(spoil(msgspec.json.encode(place.facts("broken"))))
    await launcher.create(spec(), wait_s=20)
    assert [agent.agent_id for agent in await launcher.list("ada")] == ["a1"]
    with pytest.raises(Unavailable, match=r"agent\.json of agent broken"):
        await launcher.get("broken")
    await place.kill("a1")
    await eventually(lambda: launcher._runtimes.serving_target("a1") is not None)
    told = [record for record in caplog.records if record.msg == "agent_unseen"]
    assert len(told) == 1, "once, not at every look"


async def test_broken_facts_are_never_collected(place: LocalPlace) -> None:
    """What cannot be read is somebody's journal, however old."""
    launcher = await place.open()
    folder = place.folder()
    folder.make()
    folder.facts.write_text("{")
    os.utime(folder.path, (0, 0))
    await launcher._sweep._round(await launcher._survey())
    assert folder.facts.exists()


async def test_agent_whose_lock_cannot_be_read_is_left_alone(place: LocalPlace) -> None:
    """It may live: it is neither started nor said to be gone, and the others go on."""
    launcher = await place.open()
    folder = place.folder("odd")
    folder.make()
    folder.lock.symlink_to("lock")
    folder.file(place.facts("odd"))
    await launcher.create(spec(), wait_s=20)
    await launcher._sweep._round(await launcher._survey())
    assert not launcher._runtimes.is_starting("odd")
    assert not launcher._runtimes.backoff.message("odd")
    assert [agent.agent_id for agent in await launcher.list()] == ["a1"]
    with pytest.raises(Unavailable, match="lock"):
        await launcher.get("odd")
    folder.lock.unlink()
    assert (await status(place, launcher, "odd")).agent_id == "odd"


async def test_without_open_files_a_living_agent_does_not_look_dead(place: LocalPlace) -> None:
    """A gateway at its limit of open files says so, and forgets nothing it knew."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    folder = place.folder()
    with _no_more_files():
        with pytest.raises(Unavailable, match="lock"):
            folder.is_running()
        with pytest.raises(Unavailable, match="lock"):
            launcher._runtimes.serving_target("a1")
        with pytest.raises(Unavailable, match="listed"):
            launcher._folders.survey({})
    assert launcher._runtimes.serving_target("a1") == folder.target


def test_without_open_files_facts_are_not_missing(place: LocalPlace, tmp_path: Path) -> None:
    """An agent does not turn into none because its gateway has no file left to read it with."""
    path = tmp_path / "agent.json"
    place.facts("a1").write(path)
    with _no_more_files(), pytest.raises(Unavailable, match="open files"):
        AgentFacts.read(path)


def test_a_lock_that_is_not_there_is_free(tmp_path: Path) -> None:
    """An agent that has never run has none."""
    assert not lock.is_held(tmp_path / "lock")
