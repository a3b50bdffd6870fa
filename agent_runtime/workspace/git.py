"""Git on the private repository, out of reach of all other configuration."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from agent_runtime.errands import Errands, Output
from agent_runtime.errors import GitFailed, NoDiff

LIMIT_S = 30.0
MOST_BYTES = 16 * 1024 * 1024
"""Of one answer: so many names of files, or objects, and no more."""

_SETTINGS = {
    "advice.detachedHead": "false",
    "core.attributesFile": "/dev/null",
    "core.autocrlf": "false",
    "core.bigFileThreshold": "8m",
    "core.compression": "1",
    "core.excludesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "none",  # what a power cut leaves unreadable is begun anew
    "core.hooksPath": "/dev/null",
    "core.ignoreCase": "false",
    "core.logAllRefUpdates": "false",
    "core.pager": "cat",
    "core.precomposeUnicode": "false",
    "core.protectHFS": "false",  # nothing is ever checked out from it
    "core.protectNTFS": "false",
    "core.quotePath": "false",
    "core.splitIndex": "false",
    "core.symlinks": "true",
    "core.untrackedCache": "false",
    "diff.renameLimit": "400",
    "gc.auto": "0",
    "gc.autoDetach": "false",
    "index.threads": "1",
    "maintenance.auto": "false",
    "pack.threads": "1",
    "pack.windowMemory": "32m",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}
"""On every command line, which is the last word: not in a file that a CLI could change."""

_ATTRIBUTES = "* !filter !ident !text !eol !crlf !working-tree-encoding\n"
"""Content is taken as it is, whatever `.gitattributes` in the workspace says."""


class Git:
    """Runs one command at a time on the repository in `folder`; the caller sees to that."""

    def __init__(
        self, errands: Errands, *, folder: Path, workspace: Path, env: Mapping[str, str]
    ) -> None:
        """`env`: of it only where programs are found."""
        self._errands = errands
        self._path = env.get("PATH", "")
        self.folder = folder.absolute()
        self.workspace = workspace.absolute()

    @property
    def exists(self) -> bool:
        """Whether there is a repository, made to its end."""
        return self._attributes.exists()

    @property
    def _attributes(self) -> Path:
        return self.folder / "info" / "attributes"

    async def ask(self, *args: str | bytes, **given: Any) -> bytes:
        """What a command that has to succeed answers.

        Raises:
            NoDiff: there is no git.
            GitFailed: also when the answer is too long, or does not come in time.
        """
        output = await self.run(*args, **given)
        if output.cut:
            raise GitFailed(f"git {_name(args)}: its answer is too long", cut=True)
        check(_name(args), output)
        return output.stdout

    async def run(
        self,
        *args: str | bytes,
        stdin: bytes = b"",
        looks: bool = False,
        most_bytes: int = MOST_BYTES,
        limit_s: float = LIMIT_S,
    ) -> Output:
        """One command; `looks`: into the workspace, else it sees the repository alone.

        Raises:
            NoDiff, GitFailed: as `ask`, but not for what the command says itself.
        """
        program = self._program()
        try:
            return await self._errands.run(
                [program, *_settings(), *args],
                cwd=self.workspace if looks else self.folder,
                env=self._env(looks=looks),
                stdin=stdin,
                most_bytes=most_bytes,
                limit_s=limit_s,
            )
        except TimeoutError as error:
            raise GitFailed(
                f"git {_name(args)}: not done within {limit_s:g} s", late=True
            ) from error
        except OSError as error:
            raise GitFailed(f"git {_name(args)} cannot be started: {error.strerror}") from error

    async def make(self) -> Self:
        """The repository, if there is none. Raises NoDiff, GitFailed."""
        self._program()
        if not self.exists:
            shutil.rmtree(self.folder, ignore_errors=True)  # what is there was broken off
            self.folder.mkdir(mode=0o700)
            await self.ask("init", "--quiet", "--bare", "--template=", ".")
        self._attributes.parent.mkdir(mode=0o700, exist_ok=True)
        self._attributes.write_text(_ATTRIBUTES, "ascii")
        return self

    def _program(self) -> str:
        program = shutil.which("git", path=self._path)
        if program is None:
            raise NoDiff("git is not installed where this agent runs: there are no diffs")
        return program

    def _env(self, *, looks: bool) -> dict[str, str]:
        env = {
            "PATH": self._path,
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        return env | {"GIT_WORK_TREE": str(self.workspace)} if looks else env


def check(name: str, output: Output) -> None:
    """Raises GitFailed, unless it succeeded or was ended because its answer was too long."""
    if output.code and not output.cut:
        last = output.stderr.splitlines()[-1:] or [f"ended with {output.code}"]
        raise GitFailed(f"git {name}: {last[0][:300]}")


def _settings() -> list[str]:
    return [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]


def _name(args: tuple[str | bytes, ...]) -> str:
    return str(args[0])
