"""The command that starts an agent, and its environment."""

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_runtime.errors import BackendUnusable

OPTION = "FORGE_ACP_COMMAND"
_EXAMPLE = "opencode acp"


def command(options: Mapping[str, str], env: Mapping[str, str]) -> Sequence[str]:
    """Its arguments, the program found. Raises BackendUnusable."""
    told = options.get(OPTION)
    if not told:
        raise BackendUnusable(
            f"{OPTION} is not set; an agent's command is needed, such as `{_EXAMPLE}`"
        )
    try:
        argv = shlex.split(told)
    except ValueError as error:
        raise BackendUnusable(f"{OPTION} is not a command line: {error}") from error
    path = shutil.which(argv[0], path=env.get("PATH")) if argv else None
    if path is None:
        name = argv[0] if argv else ""
        raise BackendUnusable(
            f"the command {name!r} is not found; install it or set {OPTION} to another"
        )
    return [path, *argv[1:]]


def environment(env: Mapping[str, str], home: Path) -> dict[str, str]:
    """What the agent keeps, it keeps where it always does: in the user's home."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {"HOME": str(home), **env, "TMPDIR": str(temporary)}
