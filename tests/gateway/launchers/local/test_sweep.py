"""The sweep goes on, whatever one round of it meets."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from gateway.errors import GatewayError, Unavailable
from gateway.launchers.local.folders import AgentFolders, Survey
from gateway.launchers.local.runtimes import Runtimes
from gateway.launchers.local.sweep import Sweep
from tests.gateway.launchers.harness import LocalPlace, eventually

NOTHING = Survey((), {}, (), has_trash=False)


class _Look:
    """Fails so many times, then sees nothing. Notes when it was asked."""

    def __init__(self, failures: int, error: Callable[[], Exception]) -> None:
        self._failures = failures
        self._error = error
        self.asked_at: list[float] = []

    async def __call__(self) -> Survey:
        self.asked_at.append(asyncio.get_running_loop().time())
        if len(self.asked_at) <= self._failures:
            raise self._error()
        return NOTHING


def _sweep(place: LocalPlace, look: _Look, changed: asyncio.Event, every_s: float) -> Sweep:
    sockets = place.root / "run" / "s"
    runtimes = Runtimes(lambda _folder, _facts: {}, on_end=changed.set)
    folders = AgentFolders(place.agents, sockets)
    return Sweep(look, folders, runtimes, sockets, changed=changed, every_s=every_s)


@pytest.mark.parametrize("error", [lambda: RuntimeError("ours"), lambda: Unavailable("theirs")])
async def test_a_round_that_fails_is_followed_by_the_next(
    place: LocalPlace, error: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is told with its place, and no agent stays dead for it."""
    look = _Look(3, error)
    sweep = _sweep(place, look, asyncio.Event(), 0.01)
    sweep.start()
    await eventually(lambda: len(look.asked_at) >= 6)
    await sweep.close()
    told = [record for record in caplog.records if record.msg == "sweep_failed"]
    assert len(told) == 3
    assert all(bool(record.exc_info) != isinstance(error(), GatewayError) for record in told)


async def test_rounds_that_fail_do_not_spin(place: LocalPlace) -> None:
    """The pauses grow, even while something changes all the time."""
    changed = asyncio.Event()
    look = _Look(4, lambda: RuntimeError("ours"))
    sweep = _sweep(place, look, changed, 0.05)
    sweep.start()

    def keeps_changing() -> bool:
        changed.set()
        return len(look.asked_at) >= 4

    await eventually(keeps_changing)
    await sweep.close()
    pauses_s = [later - at for at, later in itertools.pairwise(look.asked_at)]
    assert all(lasted >= least for lasted, least in zip(pauses_s, (0.05, 0.1, 0.2), strict=False))
