"""What an agent's process, and others on the machine, can see."""

import stat
import sys
from pathlib import Path

import pytest

from gateway.errors import StartFailed
from gateway.launchers.local import environment
from gateway.launchers.local.facts import AgentFacts
from tests.gateway.launchers.harness import LocalPlace, spec

GATEWAY_ONLY = {
    "VERCEL_BYPASS_TOKEN": "bypass-secret",
    "DATABASE_URL": "postgres://secret",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "FORGE_API_KEY": "api-secret",
    "FORGE_KEYS_FILE": "/keys",
    "PYTHONPATH": "/python",
    "LD_PRELOAD": "/lib.so",
    "PATHS": "/paths",
}
FOR_AGENTS = {
    "HOME": "/home/ada",
    "LC_ALL": "C.UTF-8",
    "https_proxy": "http://proxy",
    "FORGE_TURN_LIMIT_S": "60",
    "FORGE_GRACE_S": "1",
}
FOR_MODELS = {
    "ANTHROPIC_API_KEY": "sk-ant",
    "CLAUDE_CODE_OAUTH_TOKEN": "oauth",
    "OPENAI_API_KEY": "sk-open",
    "OPENAI_BASE_URL": "http://openai",
    "CODEX_HOME": "/codex",
    "OPENCODE_BASE_URL": "http://model",
}
OPTIONS = {
    "FORGE_CLAUDE_CODE_BIN": "/bin/claude",
    "FORGE_CODEX_BIN": "/bin/codex",
    "FORGE_COMMAND": "cat",
    "FORGE_OPENCODE_BIN": "/bin/opencode",
}


@pytest.mark.parametrize(
    ("backend", "own"),
    [
        (
            "claude_code",
            {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "FORGE_CLAUDE_CODE_BIN"},
        ),
        ("codex", {"OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEX_HOME", "FORGE_CODEX_BIN"}),
        (
            "opencode",
            {"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENCODE_BASE_URL", "FORGE_OPENCODE_BIN"},
        ),
        ("command", {*FOR_MODELS, "FORGE_COMMAND"}),
        ("of_others", {*FOR_MODELS}),
    ],
)
def test_allow_list_passes_what_agents_need_and_nothing_else(backend: str, own: set[str]) -> None:
    """Neither the gateway's own secrets nor the keys of another CLI are with an agent."""
    env = {**GATEWAY_ONLY, **FOR_AGENTS, **FOR_MODELS, **OPTIONS}
    assert environment._inherited(env, backend).keys() == FOR_AGENTS.keys() | own


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_process_shows_no_secret(place: LocalPlace) -> None:
    """Not in its environment what is the gateway's; not in its arguments anything at all."""
    place.env.update({**GATEWAY_ONLY, "ANTHROPIC_API_KEY": "sk-model", "HOME": str(place.root)})
    launcher = await place.open()
    await launcher.create(spec(env={"MY_TOKEN": "given-secret", "HOME": "/given"}), wait_s=20)
    (process,) = place.processes("a1")
    folder = Path("/proc", str(process.pid))
    pairs = (folder / "environ").read_text().strip("\0").split("\0")
    env = dict(pair.split("=", 1) for pair in pairs)
    assert not GATEWAY_ONLY.keys() & env.keys()
    assert env["ANTHROPIC_API_KEY"] == "sk-model"
    assert (env["MY_TOKEN"], env["HOME"]) == ("given-secret", "/given")
    token = place.keyring.token("a1", "relay", key_id=place.keyring.current_id)
    assert token not in "\0".join(pairs)
    assert (folder / "cmdline").read_text().strip("\0").split("\0")[1:] == [
        "-E",
        "-P",
        "-m",
        "agent_runtime",
    ]


async def test_files_are_for_their_owner_only(place: LocalPlace) -> None:
    """Whoever else has an account on this machine sees no journal, fact or socket."""
    launcher = await place.open()
    await launcher.create(spec(env={"MY_TOKEN": "given-secret"}), wait_s=20)
    folder = place.folder()
    for path in (place.agents, folder.path, folder.workspace, folder.socket.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in (folder.facts, folder.log, folder.lock):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_facts_survive_with_their_env_and_do_not_show_it(place: LocalPlace) -> None:
    """A restart needs the values; a log line with the facts in it must not hold them."""
    launcher = await place.open()
    await launcher.create(spec(env={"MY_TOKEN": "given-secret"}), wait_s=0)
    facts = AgentFacts.read(place.folder().facts)
    assert facts is not None
    assert facts.env == {"MY_TOKEN": "given-secret"}
    assert "given-secret" not in repr(facts)


async def test_last_words_hide_what_was_given(place: LocalPlace) -> None:
    """A runtime that complains with a credential in its words does not put it into the answer."""
    launcher = await place.open()
    with pytest.raises(StartFailed, match=r"PERMISSION_MODE.*\*\*\*") as told:
        await launcher.create(
            spec(permission_mode="bad-mode", env={"MY_TOKEN": "bad-mode"}), wait_s=20
        )
    assert "bad-mode" not in str(told.value)
