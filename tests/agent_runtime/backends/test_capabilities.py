"""A backend has the capabilities that it declares, and no others."""

from importlib.metadata import entry_points

import pytest

from agent_runtime.backends import registry
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.model import Kind
from tests.agent_runtime.backends.rigs import CommandRig, ModelRig, Rig
from tests.agent_runtime.backends.showing import Showing
from tests.agent_runtime.backends.sink import RecordingSink
from tests.checks.capabilities import cells


@pytest.mark.timeout(300)
async def test_it_can_do_what_it_declares(rig: Rig) -> None:
    """Every cell of the README's table is what was seen here of the real CLI.

    What is declared and not seen fails, and so does what is seen and not declared.
    """
    if isinstance(rig, ModelRig):
        seen = await Showing(rig).show()
    else:
        assert isinstance(rig, CommandRig)
        seen = await _show_command(rig)
    backend = rig.make()
    assert sorted(seen) == sorted(backend.capabilities)
    told = {capability for capability, cell in cells(backend.name).items() if cell}
    assert sorted(told) == sorted(seen)


def test_gateways_are_told_who_asks(rig: Rig) -> None:
    """The entry points by which a policy is refused at creation are the truth."""
    backend = rig.make()
    asks = Capability.PERMISSIONS in backend.capabilities
    declared = entry_points(group=f"{registry.GROUP}.permissions").names
    assert (backend.name in declared) == asks


async def _show_command(rig: CommandRig) -> frozenset[Capability]:
    """It asks nothing, remembers nothing and counts nothing; it is told model and mode."""
    backend, sink = rig.make(), RecordingSink()
    await backend.start()
    await backend.set_model("some-model")
    await backend.set_permission_mode("default")
    end = await backend.prompt(Message("echo $AGENT_MODEL $PERMISSION_MODE"), sink)
    await backend.stop()
    assert sink.said == "some-model default\n"
    assert (end.usage, sink.sessions, sink.bookmarks) == (None, [], [])
    assert {event.kind for event in sink.events} == {Kind.TEXT_DELTA}
    return frozenset({Capability.SET_MODEL, Capability.SET_PERMISSION_MODE})
