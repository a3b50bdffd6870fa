"""A workspace, and the repository that looks at it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent_runtime.errands import Errands
from agent_runtime.workspace.changes import Changes, between
from agent_runtime.workspace.git import Git
from agent_runtime.workspace.repository import EMPTY_TREE, Repository


@dataclass
class Desk:
    """`git` is run without a user's configuration in `user_git`."""

    workspace: Path
    repository: Repository
    last: str = EMPTY_TREE

    @classmethod
    def under(cls, folder: Path, env: Mapping[str, str] = os.environ, **given: int) -> Self:
        """`given`: of the repository."""
        workspace = folder / "workspace"
        workspace.mkdir(exist_ok=True)
        git = Git(Errands(), folder=folder / "state", workspace=workspace, env=env)
        return cls(workspace, Repository(git, **given))

    def put(self, **files: str | bytes) -> None:
        """`__` in a name is a dot, `_0_` a slash."""
        for name, content in files.items():
            path = self.workspace / name.replace("_0_", "/").replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    async def changes(self) -> Changes:
        """Since the last time."""
        before, self.last = self.last, await self.repository.tree()
        return await between(self.repository.git, before, self.last)

    async def statuses(self) -> dict[str, str]:
        """By path, since the last time."""
        changes = await self.changes()
        return {os.fsdecode(file.path): file.status for file in changes.files}

    def user_git(self, *args: str, cwd: Path | None = None) -> str:
        """What the user does in the workspace."""
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.workspace.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@a",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@a",
        }
        done = subprocess.run(
            ["git", *args], cwd=cwd or self.workspace, env=env, check=True, capture_output=True
        )
        return done.stdout.decode()
