"""forge agents and interrupt: what is asked of the gateway and how answers look."""

import asyncio
import itertools
import json
import signal

import pytest

from tests.gateway.cli.command import LIMIT_S, end, forge, start
from tests.gateway.cli.scripted_gateway import ScriptedGateway


def env_of(peer: ScriptedGateway) -> dict[str, str]:
    return {"FORGE_URL": peer.url, "FORGE_USER": "ada"}


async def test_create_prints_the_id_alone(peer: ScriptedGateway) -> None:
    """AGENT=$(forge agents create) works, and the options arrive in wire form."""
    options = ("--backend", "opencode", "--model", "m", "--permission-mode", "default")
    pairs = ("--env", "A=1=2", "--env", "TOKEN", "--label", "team=x")
    ended = await forge(
        "agents", "create", *options, *pairs, env=env_of(peer) | {"TOKEN": "hidden"}
    )
    assert (ended.status, ended.out) == (0, "agt-1\n")
    assert "hidden" not in ended.out + ended.err
    assert peer.bodies("POST", "/agents") == [
        {
            "owner_id": "ada",
            "backend": "opencode",
            "model": "m",
            "permission_mode": "default",
            "env": {"A": "1=2", "TOKEN": "hidden"},
            "labels": {"team": "x"},
        }
    ]


UNSCHEDULABLE = {
    "phase": "Pending",
    "ready": False,
    "reason": "Unschedulable",
    "message": "no node takes it: 0/1 nodes are available: 1 Insufficient cpu.",
}
NO_IMAGE = {
    "phase": "Pending",
    "ready": False,
    "reason": "ErrImageNeverPull",
    "message": "its image cannot be used: \x1b[31mgone",
}
DELETED = ("DELETE", "/api/v1/agents/agt-1?user_id=ada")


async def test_create_tells_what_keeps_an_agent(peer: ScriptedGateway) -> None:
    """Each news once and harmless, while the id alone goes to standard output."""
    pulling = {"phase": "Pending", "ready": False, "reason": "ContainerCreating"}
    peer.before = itertools.chain(itertools.repeat(UNSCHEDULABLE, 12), itertools.repeat(pulling, 2))
    ended = await forge("agents", "create", env=env_of(peer))
    assert (ended.status, ended.out) == (0, "agt-1\n")
    told = ended.err.splitlines()
    assert told[0] == f"Pending, Unschedulable: {UNSCHEDULABLE['message']}"
    assert told[1] == "Pending, ContainerCreating"
    assert told[2].startswith("command, ready in ")
    assert peer.calls[0][1] == "/api/v1/agents?wait=false"


async def test_an_agent_that_cannot_start_is_deleted(peer: ScriptedGateway) -> None:
    """At once where no waiting helps, with the reason; nothing is left behind."""
    peer.before = itertools.repeat(NO_IMAGE)
    ended = await forge("agents", "create", env=env_of(peer))
    assert (ended.status, ended.out) == (1, "")
    assert "ErrImageNeverPull: its image cannot be used" in ended.err
    assert "\x1b" not in ended.err
    assert "it is deleted" in ended.err
    assert DELETED in [call[:2] for call in peer.calls]


async def test_an_agent_that_takes_too_long_is_deleted(peer: ScriptedGateway) -> None:
    """--timeout bounds the wait; what kept it is told."""
    peer.before = itertools.repeat(UNSCHEDULABLE)
    ended = await forge("agents", "create", "--timeout", "300ms", env=env_of(peer))
    assert ended.status == 1
    assert "was not ready within 0.3 s: Pending, Unschedulable: no node takes it" in ended.err
    assert DELETED in [call[:2] for call in peer.calls]


async def test_what_cannot_be_deleted_is_named(peer: ScriptedGateway) -> None:
    """Nobody is told that nothing is left when something is."""
    peer.before = itertools.repeat(NO_IMAGE)
    peer.refusals["agt-1"] = (503, {"error": "service_unavailable", "message": "not now"}, {})
    ended = await forge("agents", "create", env=env_of(peer))
    assert ended.status == 1
    assert "agt-1 could not be started" in ended.err


async def test_ctrl_c_leaves_the_agent_and_says_so(peer: ScriptedGateway) -> None:
    """Status 130, the id, and what can be done with it."""
    peer.before = itertools.repeat(UNSCHEDULABLE)
    process = await start("agents", "create", env=env_of(peer))
    try:
        assert process.stderr is not None
        async with asyncio.timeout(LIMIT_S):
            await process.stderr.readline()
            process.send_signal(signal.SIGINT)
            words = (await process.stderr.read()).decode()
            assert await process.wait() == 130
        assert "agt-1 goes on starting" in words
        assert "forge agents delete" in words
        assert DELETED not in [call[:2] for call in peer.calls]
    finally:
        await end(process)


async def test_list_get_delete(peer: ScriptedGateway) -> None:
    """Each asks for the owner's agents and shows the answer in plain lines."""
    listed = await forge("agents", "list", env=env_of(peer))
    header, row = listed.out.splitlines()
    assert header.split() == ["AGENT_ID", "USER_ID", "BACKEND", "PHASE", "READY", "CREATED"]
    assert row.split() == ["agt-1", "ada", "command", "Running", "true", "2026-01-02T03:04:05Z"]
    shown = await forge("agents", "get", "agt-1", env=env_of(peer))
    assert "latest_seq  7" in shown.out
    gone = await forge("agents", "delete", "agt-1", "--graceful", env=env_of(peer))
    assert gone.out == "deleted agt-1\n"
    assert [path for _, path, _, _ in peer.calls] == [
        "/api/v1/agents?user_id=ada",
        "/api/v1/agents/agt-1?refresh=true&user_id=ada",
        "/api/v1/agents/agt-1?graceful=true&user_id=ada",
    ]


async def test_grpc_prints_address_and_token(peer: ScriptedGateway) -> None:
    """A direct gRPC client's two facts can be read by a person and by a script."""
    shown = await forge("agents", "get", "--grpc", "agt-1", env=env_of(peer))
    assert shown.out == "address  unix:/run/a.sock\ntoken    tttttttt\n"
    scripted = await forge("agents", "get", "--grpc", "agt-1", "--json", env=env_of(peer))
    assert json.loads(scripted.out)["address"] == "unix:/run/a.sock"


@pytest.mark.parametrize("command", ["create", "list"])
async def test_json_is_json(peer: ScriptedGateway, command: str) -> None:
    """--json prints objects a line, without words around them."""
    ended = await forge("agents", command, "--json", env=env_of(peer))
    assert json.loads(ended.out)["agent_id"] == "agt-1"
    assert ended.err == ""


async def test_owner_is_left_to_the_key(peer: ScriptedGateway) -> None:
    """With a key and no --user the key's own owner is meant; --user goes before all."""
    keyed = {"FORGE_URL": peer.url, "FORGE_API_KEY": "fk_1"}
    await forge("agents", "list", env=keyed)
    await forge("agents", "list", "--user", "bob", env=keyed | {"FORGE_USER": "eve"})
    assert [(path, key) for _, path, _, key in peer.calls] == [
        ("/api/v1/agents", "Bearer fk_1"),
        ("/api/v1/agents?user_id=bob", "Bearer fk_1"),
    ]


async def test_gateways_words_are_shown_harmless(peer: ScriptedGateway) -> None:
    """The server's sentence is the error, its controls made visible; advice is added."""
    refusal = {"error": "unauthorized", "message": "no\x1b[31mkey"}
    peer.refusals["/agents"] = (401, refusal, {})
    ended = await forge("agents", "list", env=env_of(peer))
    assert ended.status == 1
    assert ended.err == "Error: no␛[31mkey; set FORGE_API_KEY to a key of this gateway\n"
    busy = {"error": "service_unavailable", "message": "busy"}
    peer.refusals["/agents"] = (503, busy, {"Retry-After": "3"})
    ended = await forge("agents", "list", env=env_of(peer))
    assert ended.err == "Error: busy; try again in 3 s\n"


async def test_what_is_no_gateway_is_said(peer: ScriptedGateway) -> None:
    """Another server at that address gives a sentence, no traceback."""
    peer.refusals["/agents"] = (200, ["not", "ours"], {})
    ended = await forge("agents", "list", env=env_of(peer))
    assert ended.status == 1
    assert "is no gateway (HTTP 200); is FORGE_URL right?" in ended.err


@pytest.mark.parametrize(
    ("name", "value"), [("FORGE_URL", "localhost:8080"), ("FORGE_API_KEY", "two words")]
)
async def test_unusable_environment_is_named(name: str, value: str) -> None:
    """A variable that cannot work is named, not tried."""
    ended = await forge("agents", "list", env={name: value})
    assert ended.status == 1
    assert name in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("pair", [("--label", "team"), ("--env", "NOT_SET_ANYWHERE")])
async def test_broken_pairs_are_usage_errors(peer: ScriptedGateway, pair: tuple[str, str]) -> None:
    """What is wrong on the command line ends with 2, before an agent is made."""
    ended = await forge("agents", "create", *pair, env=env_of(peer))
    assert ended.status == 2
    assert pair[0] in ended.err
    assert peer.calls == []


async def test_interrupt_shows_its_own_final(peer: ScriptedGateway) -> None:
    """The command ends when the interrupt has been carried out, and names its target."""
    ended = await forge("interrupt", "agt-1", "--turn", "req_9", env=env_of(peer))
    assert ended.status == 0
    assert ended.out.startswith("✓ completed in ")
    assert peer.bodies("POST", "/interrupt")[0]["target"] == "req_9"
