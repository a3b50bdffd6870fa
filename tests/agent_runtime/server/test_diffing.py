"""Diffs of a real runtime."""

import os
import shutil
from pathlib import Path

import grpc
import pytest

from proto.agent.v1 import agent_pb2
from tests.agent_runtime.server.test_container import Container, pid_namespaces, started
from tests.peers.runtime import (
    CLIENT,
    RELAY,
    Runtime,
    agent_stub,
    message,
    relay_stub,
    replay,
    submit,
)


async def turn(runtime: Runtime, request_id: str, script: str) -> None:
    async with relay_stub(runtime) as stub:
        await submit(stub, message(request_id, script))
        await replay(stub, request_id)


async def diff(runtime: Runtime, request_id: str = "") -> agent_pb2.DiffResponse:
    async with agent_stub(runtime) as stub:
        request = agent_pb2.DiffRequest(request_id=request_id)
        return await stub.Diff(request, metadata=CLIENT, timeout=20)


def names(told: agent_pb2.DiffResponse) -> list[bytes]:
    return [file.path for file in told.files]


async def test_a_turn_and_all_turns_are_told(runtime: Runtime) -> None:
    """Also by the runtime after this one."""
    await turn(runtime, "r1", "echo one > a; mkdir b; echo two > b/c")
    first = await diff(runtime, "r1")
    assert (names(first), list(first.turns)) == ([b"a", b"b/c"], ["r1"])
    assert b"+one\n" in first.diff
    await turn(runtime, "r2", "echo uno > a")
    second = await diff(runtime, "r2")
    assert b"-one\n+uno\n" in second.diff
    await runtime.kill()
    await runtime.start()
    assert await diff(runtime, "r1") == first
    assert names(await diff(runtime)) == [b"a", b"b/c"]


async def test_refusals_have_their_statuses(runtime: Runtime) -> None:
    """An unknown turn, and a token of another scope."""
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await diff(runtime, "r9")
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    async with agent_stub(runtime) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as foreign:
            await stub.Diff(agent_pb2.DiffRequest(), metadata=RELAY, timeout=20)
    assert foreign.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_where_git_is_missing_turns_run_and_diffs_say_so(tmp_path: Path) -> None:
    """The agent lacks nothing else."""
    (tmp_path / "bin").mkdir()
    settings = {"PATH": str(tmp_path / "bin"), "FORGE_COMMAND": "/bin/bash -s"}
    runtime = Runtime(tmp_path, settings)
    await runtime.start()
    try:
        await turn(runtime, "r1", "echo one > a")
        with pytest.raises(grpc.aio.AioRpcError, match="git is not installed") as refused:
            await diff(runtime, "r1")
        await turn(runtime, "r2", "echo two > a")
    finally:
        await runtime.end()
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert ("forge-capability", "diff") in tuple(refused.value.trailing_metadata() or ())


async def test_git_is_given_no_credentials(tmp_path: Path) -> None:
    """What the CLI gets in its environment git does not; nor the user's configuration."""
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nenv >> {tmp_path}/env\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    settings = {
        "PATH": f"{wrapper.parent}:{os.environ['PATH']}",
        "ANTHROPIC_API_KEY": "sk-secret",
        "GIT_CONFIG_COUNT": "1",
        "GIT_EXTERNAL_DIFF": "false",
        "HOME": str(tmp_path),
    }
    runtime = Runtime(tmp_path, settings)
    await runtime.start()
    try:
        await turn(runtime, "r1", 'echo one > a; echo "$ANTHROPIC_API_KEY" > b')
        assert names(await diff(runtime, "r1")) == [b"a", b"b"]
    finally:
        await runtime.end()
    given = (tmp_path / "env").read_text()
    assert "GIT_DIR=" in given
    for other in ("sk-secret", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "TOKEN", "FORGE_"):
        assert other not in given


@pid_namespaces
async def test_the_first_process_of_a_container_waits_for_its_own_git(tmp_path: Path) -> None:
    """It buries what its CLIs leave; what git answers is not lost by that."""
    async with started(Container(tmp_path)) as container:
        for n in range(5):
            await turn(container, f"r{n}", f"echo {n} > a; setsid sleep 60 &")
            assert names(await diff(container, f"r{n}")) == [b"a"]
