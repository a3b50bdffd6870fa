"""Where an agent lives in a test."""

from collections.abc import Mapping
from pathlib import Path

from agent_runtime.backends.protocol import BackendContext
from agent_runtime.process_table import ProcessGroup, members
from agent_runtime.processes import Processes


class Place:
    """Folders of one agent, and the groups its processes are in, as a journal would know them."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.workspace = folder / "workspace"
        self.home = folder / "home"
        self.users_home = folder / "user"
        for made in (self.workspace, self.home, self.users_home):
            made.mkdir()
        self.env = {**env, "HOME": str(self.users_home)}
        self.groups: frozenset[ProcessGroup] = frozenset()
        self.ever: set[ProcessGroup] = set()
        self.processes = Processes(self._record)

    async def _record(self, groups: frozenset[ProcessGroup]) -> None:
        self.groups = groups
        self.ever |= groups

    def alive(self) -> set[int]:
        """Every process of every group that was ever recorded."""
        return {found.pid for group in self.ever for found in members(group)}

    def context(
        self,
        *,
        options: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        model: str = "",
        permission_mode: str = "acceptEdits",
        session_id: str = "",
    ) -> BackendContext:
        return BackendContext(
            workspace=self.workspace,
            home=self.home,
            env={**self.env, **(env or {})},
            options=options or {},
            model=model,
            permission_mode=permission_mode,
            session_id=session_id,
            processes=self.processes,
        )
