"""Reading and writing files for the agent, in the workspace only."""

import os
from pathlib import Path

from acp import schema

from agent_runtime.errors import Invalid


class Files:
    """Blocking: to be called in a thread. Raises Invalid for what is not to be had."""

    def __init__(self, workspace: Path) -> None:
        self._root = Path(os.path.realpath(workspace))

    def read(self, wanted: schema.ReadTextFileRequest) -> schema.ReadTextFileResponse:
        """`limit` lines from `line` on, which counts from 1; all where they are left out."""
        path = self._within(wanted.path)
        try:
            lines = path.read_text("utf-8", "replace").splitlines(keepends=True)
        except OSError as error:
            raise Invalid(f"path: {error.strerror}") from error
        first = max((wanted.line or 1) - 1, 0)
        last = None if wanted.limit is None else first + wanted.limit
        return schema.ReadTextFileResponse(content="".join(lines[first:last]))

    def write(self, wanted: schema.WriteTextFileRequest) -> schema.WriteTextFileResponse:
        path = self._within(wanted.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted.content, "utf-8")
        except OSError as error:
            raise Invalid(f"path: {error.strerror}") from error
        return schema.WriteTextFileResponse()

    def _within(self, named: str) -> Path:
        """Where a path leads, links followed."""
        path = Path(os.path.realpath(named))
        if not Path(named).is_absolute() or not path.is_relative_to(self._root):
            raise Invalid("path: an absolute path in the workspace is needed")
        return path
