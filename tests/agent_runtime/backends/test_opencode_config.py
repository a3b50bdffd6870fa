"""What OpenCode is started with, and whether it could be."""

from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends.opencode import OpenCodeBackend
from agent_runtime.backends.opencode.config import Home, configuration, environment
from agent_runtime.errors import BackendUnusable
from tests.agent_runtime.backends.place import Place
from tests.peers.stub_model import opencode_config

CONFIG = "OPENCODE_CONFIG_CONTENT"


def users_login(place: Place) -> Path:
    return place.users_home / ".local/share/opencode/auth.json"


def log_in(place: Place, content: str = '{"anthropic":{"type":"api","key":"k"}}') -> None:
    login = users_login(place)
    login.parent.mkdir(parents=True)
    login.write_text(content)


def test_the_environments_own_configuration_wins() -> None:
    """What is configured already is kept; ours fills in what it does not say."""
    theirs = {"share": "auto", "permission": {"bash": "allow"}, "model": "a/b"}
    merged = configuration({CONFIG: msgspec.json.encode(theirs).decode()})
    assert (merged["share"], merged["model"], merged["autoupdate"]) == ("auto", "a/b", False)
    assert merged["permission"] == {"edit": "ask", "bash": "allow", "webfetch": "ask"}


def test_a_base_url_is_that_of_opencodes_own_provider() -> None:
    """OPENCODE_BASE_URL moves the provider that OPENCODE_API_KEY is for."""
    merged = configuration({"OPENCODE_BASE_URL": "http://127.0.0.1:1/v1"})
    assert merged["provider"]["opencode"]["options"]["baseURL"] == "http://127.0.0.1:1/v1"


@pytest.mark.parametrize("content", ["{", "[]", '"x"'])
def test_a_broken_configuration_is_told_without_its_content(place: Place, content: str) -> None:
    """It names the variable, and shows nothing of what may be a key."""
    secret = content + "sk-secret"
    with pytest.raises(BackendUnusable, match=CONFIG) as caught:
        OpenCodeBackend.create(place.context(env={CONFIG: secret}))
    assert "sk-secret" not in str(caught.value)


def test_its_state_is_in_the_agents_folder(place: Place) -> None:
    """Sessions live as long as the journal; the password is in the environment alone."""
    env = environment(place.env, Home(place.home), user="opencode", password="pw")
    assert env["XDG_DATA_HOME"].startswith(str(place.home))
    assert env["TMPDIR"].startswith(str(place.home))
    assert (env["OPENCODE_SERVER_PASSWORD"], env["HOME"]) == ("pw", str(place.users_home))


def test_the_users_login_works_for_local_agents(place: Place) -> None:
    """A login made before is seen, and one that the agent has of its own is kept."""
    log_in(place)
    home = Home(place.home)
    home.prepare(place.env)
    ours = home.data / "opencode" / "auth.json"
    assert ours.resolve() == users_login(place)
    ours.unlink()
    ours.write_text("{}")
    home.prepare(place.env)
    assert ours.read_text() == "{}"


def probe(place: Place, binary: Path, **env: str) -> tuple[bool, str]:
    told = OpenCodeBackend.probe({**place.env, "FORGE_OPENCODE_BIN": str(binary), **env})
    return told.usable, told.detail


def test_probe_wants_credentials(place: Place, opencode_binary: Path) -> None:
    """Without a login, key or provider it could not answer: said, with what to do."""
    usable, detail = probe(place, opencode_binary)
    assert not usable
    assert "opencode auth login" in detail
    assert probe(place, opencode_binary, OPENAI_API_KEY="k") == (True, "opencode 1.18.33")
    assert probe(place, opencode_binary, OPENAI_API_KEY="")[0] is False
    assert probe(place, opencode_binary, FORGE_API_KEY="k")[0] is False
    config = opencode_config("http://127.0.0.1:1/v1")
    assert probe(place, opencode_binary, **{CONFIG: config})[0] is True
    log_in(place, "{}")
    assert probe(place, opencode_binary)[0] is False
    users_login(place).write_text('{"anthropic":{}}')
    assert probe(place, opencode_binary)[0] is True


def test_probe_leaves_nothing_behind(place: Place, opencode_binary: Path) -> None:
    """Looking must not change the user's folders."""
    probe(place, opencode_binary, OPENAI_API_KEY="k")
    assert list(place.users_home.iterdir()) == []


def test_probe_tells_a_missing_binary(place: Place) -> None:
    """What is missing, and how to get it."""
    usable, detail = probe(place, Path("no-such-opencode"))
    assert not usable
    assert "npm install -g opencode-ai" in detail


def test_probe_tells_a_binary_that_does_not_work(place: Place, tmp_path: Path) -> None:
    """A file that is no opencode does not count as one."""
    broken = tmp_path / "opencode"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o700)
    assert probe(place, broken, OPENAI_API_KEY="k")[0] is False
