"""forge doctor: what it finds, and when it fails."""

import json
import os
import socket
from pathlib import Path

from tests.gateway.cli.command import forge
from tests.gateway.cli.scripted_gateway import ScriptedGateway


def env_of(tmp_path: Path, port: int) -> dict[str, str]:
    return {
        "FORGE_STATE_DIR": str(tmp_path / "state"),
        "FORGE_RUNTIME_DIR": str(tmp_path / "run"),
        "FORGE_USER": "ada",
        "PORT": str(port),
    }


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


async def checks_of(env: dict[str, str]) -> tuple[int | None, dict[str, dict[str, str]]]:
    ended = await forge("doctor", "--json", env=env)
    assert ended.err == ""
    checks = [json.loads(line) for line in ended.out.splitlines()]
    return ended.status, {check["name"]: check for check in checks}


async def test_finds_a_machine_that_works(tmp_path: Path, peer: ScriptedGateway) -> None:
    """With bash, writable folders, a free port and a gateway nothing is broken."""
    port = free_port()
    status, checks = await checks_of(env_of(tmp_path, port) | {"FORGE_URL": peer.url})
    assert status == 0
    for name in ("python", "runtime", "backend command", "state folder", "gateway", f"port {port}"):
        assert checks[name]["state"] == "ok", checks[name]


async def test_says_who_has_the_port(tmp_path: Path) -> None:
    """A taken port is broken, and its holder named where the system tells."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = bound.getsockname()[1]
        status, checks = await checks_of(env_of(tmp_path, port))
    assert status == 1
    detail = checks[f"port {port}"]["detail"]
    assert str(os.getpid()) in detail or "another" in detail


async def test_unusable_backend_is_broken(tmp_path: Path) -> None:
    """Where no backend is usable nothing can be done, and what each lacks is said."""
    env = env_of(tmp_path, free_port()) | {
        "FORGE_COMMAND": "no-such-program",
        "HOME": str(tmp_path),
    }
    status, checks = await checks_of(env)
    assert status == 1
    assert checks["runtime"]["state"] == "broken"
    assert "no-such-program" in checks["backend command"]["detail"]


async def test_folders_and_settings(tmp_path: Path) -> None:
    """A folder that is open to others or no folder is told; so is a wrong setting."""
    env = env_of(tmp_path, free_port())
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "run").write_text("a file")
    status, checks = await checks_of(env)
    assert status == 1
    assert checks["state folder"]["state"] == "warning"
    assert "chmod 700" in checks["state folder"]["detail"]
    assert "FORGE_RUNTIME_DIR" in checks["socket folder"]["detail"]
    status, checks = await checks_of(env | {"PORT": "high"})
    assert status == 1
    assert "PORT" in checks["settings"]["detail"]


async def test_named_gateway_must_answer(tmp_path: Path) -> None:
    """Whoever names a gateway is told that it is not there, and fails."""
    env = env_of(tmp_path, free_port()) | {"FORGE_URL": "http://127.0.0.1:9"}
    status, checks = await checks_of(env)
    assert status == 1
    assert checks["gateway"]["state"] == "broken"
