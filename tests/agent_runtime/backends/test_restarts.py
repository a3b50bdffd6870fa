"""What a conversation has come to outlives a runtime that is killed: with real CLIs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent_runtime.backends.capability import Capability
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.backends.rigs import ModelRig
from tests.peers.runtime import CLIENT, Runtime, agent_stub, message, relay_stub, replay, submit
from tests.peers.stub_model import Say

_TURN_LIMIT_S = 90
"""A CLI may take 60 s to start."""


@asynccontextmanager
async def living(rig: ModelRig, folder: Path) -> AsyncIterator[Runtime]:
    settings = {
        **rig.place.env,
        **rig.env,
        rig.option: rig.program,
        "AGENT_CWD": str(rig.place.workspace),
        "AGENT_MODEL": rig.first_model,
        "FORGE_BACKEND": rig.kind.name,
    }
    folder.mkdir()
    runtime = Runtime(folder, settings)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.end()


async def done(runtime: Runtime, request: agent_pb2.AgentRequest) -> agent_pb2.AgentResponse:
    """The final of that command, which has completed."""
    async with relay_stub(runtime) as stub:
        await submit(stub, request)
        final = (await replay(stub, request.request_id, limit_s=_TURN_LIMIT_S))[-1]
    assert final.outcome == agent_pb2.OUTCOME_COMPLETED, final
    return final


async def killed(runtime: Runtime) -> None:
    """The next one finds what the journal has, and ends the CLI of this one."""
    await runtime.kill()
    await runtime.start()


def another(request_id: str, *, fork: bool) -> agent_pb2.AgentRequest:
    wanted = agent_pb2.NewSessionRequest(fork=fork)
    return agent_pb2.AgentRequest(request_id=request_id, new_session=wanted)


async def test_a_session_that_was_begun_outlives_the_runtime(
    model_rig: ModelRig, tmp_path: Path
) -> None:
    """A fork still begins as the one before, a fresh one empty, if nothing was said in it yet."""
    rig = model_rig
    async with living(rig, tmp_path / "r") as runtime:
        first = await done(runtime, message("m1", "My word is MARMALADE."))
        if Capability.FORK in rig.make().capabilities:
            await done(runtime, another("fork", fork=True))
            await done(runtime, another("fork-again", fork=True))
            await killed(runtime)
            forked = await done(runtime, message("m2", "Which word?"))
            assert "MARMALADE" in str(rig.model.requests[-1])
            assert forked.session_id != first.session_id
        await done(runtime, another("fresh", fork=False))
        await killed(runtime)
        fresh = await done(runtime, message("m3", "Which word is it?"))
        assert "MARMALADE" not in str(rig.model.requests[-1])
        assert fresh.session_id != first.session_id


async def test_model_and_mode_outlive_the_runtime(model_rig: ModelRig, tmp_path: Path) -> None:
    """The next prompt of the next runtime goes to that model, and is asked nothing."""
    model = agent_pb2.SetModelRequest(model=model_rig.other_model)
    mode = agent_pb2.SetPermissionModeRequest(mode="bypassPermissions")
    rig = model_rig
    async with living(rig, tmp_path / "r") as runtime:
        await done(runtime, agent_pb2.AgentRequest(request_id="c1", set_model=model))
        await done(runtime, agent_pb2.AgentRequest(request_id="c2", set_permission_mode=mode))
        await killed(runtime)
        async with agent_stub(runtime) as stub:
            status = await stub.GetStatus(agent_pb2.GetStatusRequest(), metadata=CLIENT)
        assert status.current_model == rig.other_model
        assert status.permission_mode == "bypassPermissions"
        rig.model.script(rig.run("touch made"), Say("Done."))
        await done(runtime, message("m1", "Do as you were told."))
        assert (rig.place.workspace / "made").exists()
        assert rig.model.requests[-1]["model"] == rig.other_model.rpartition("/")[2]
