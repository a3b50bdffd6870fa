"""Places, rigs and the opencode that npm installed."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent_runtime.processes import end_leftover
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.rigs import (
    AcpRig,
    ClaudeCodeRig,
    CodexRig,
    CommandRig,
    ModelRig,
    OpenCodeRig,
    Rig,
)
from tests.agent_runtime.backends.sink import RecordingSink
from tests.cli import install
from tests.peers.stub_model import StubModel, stub_model


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Everything that was started there is gone after the test."""
    place = Place(tmp_path, {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
    yield place
    for group in place.ever:
        await end_leftover(group)


@pytest.fixture
def sink() -> RecordingSink:
    return RecordingSink()


@pytest.fixture(scope="session")
def opencode_binary() -> Path:
    return _installed("opencode", install.opencode)


@pytest.fixture(scope="session")
def claude_binary() -> Path:
    return _installed("Claude Code", install.claude)


@pytest.fixture(scope="session")
def codex_acp_binary() -> Path:
    return _installed("codex-acp", install.codex_acp)


@pytest.fixture(scope="session")
def codex_binary() -> Path:
    return _installed("codex", install.codex)


def _installed(name: str, find: Callable[[], Path]) -> Path:
    try:
        return find()
    except install.Missing as missing:
        pytest.skip(f"no {name}: {missing}")


@pytest.fixture
async def model() -> AsyncIterator[StubModel]:
    async with stub_model() as model:
        yield model


@pytest.fixture
def opencode(place: Place, model: StubModel, opencode_binary: Path) -> OpenCodeRig:
    return OpenCodeRig(place, opencode_binary, model)


@pytest.fixture
def claude_code(place: Place, model: StubModel, claude_binary: Path) -> ClaudeCodeRig:
    return ClaudeCodeRig(place, claude_binary, model)


@pytest.fixture
def codex(place: Place, model: StubModel, codex_binary: Path) -> CodexRig:
    return CodexRig(place, codex_binary, model)


@pytest.fixture
def acp(place: Place, model: StubModel, opencode_binary: Path) -> AcpRig:
    return AcpRig(place, opencode_binary, model)


@pytest.fixture(params=["acp", "claude_code", "codex", "command", "opencode"])
def rig(request: pytest.FixtureRequest, place: Place) -> Rig:
    if request.param == "command":
        return CommandRig(place)
    rig: ModelRig = request.getfixturevalue(request.param)
    return rig


@pytest.fixture(params=["acp", "claude_code", "codex", "opencode"])
def model_rig(request: pytest.FixtureRequest) -> ModelRig:
    rig: ModelRig = request.getfixturevalue(request.param)
    return rig
