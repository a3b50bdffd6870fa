"""One program of a node: started in the sandbox, stopped, killed."""

from dataclasses import dataclass

from tests.cluster.node.commands import wait
from tests.cluster.node.errors import Failed
from tests.cluster.node.layout import Layout
from tests.cluster.node.sandbox import Sandbox

_START = 'log=$0 pid=$1; shift; setsid "$@" >>"$log" 2>&1 </dev/null & echo $! >"$pid"'


@dataclass(frozen=True)
class Program:
    """It outlives whoever started it: only the sandbox's end or a signal ends it."""

    name: str
    command: tuple[str, ...]

    def start(self, layout: Layout, sandbox: Sandbox) -> None:
        """Start it; its output is added to its log."""
        log = layout.log / f"{self.name}.log"
        sandbox.run("sh", "-c", _START, log, layout.pid_file(self.name), *self.command)

    def signal(self, name: str, layout: Layout, sandbox: Sandbox) -> None:
        """Send KILL, TERM, STOP or CONT.

        Raises:
            Failed: it does not run.
        """
        sandbox.run("kill", f"-{name}", self._pid(layout))

    def wait_until_gone(self, layout: Layout, sandbox: Sandbox, *, limit_s: float = 20) -> None:
        """Wait for its end.

        Raises:
            Failed: it goes on.
        """
        wait(
            lambda: not self.runs(layout, sandbox),
            limit_s=limit_s,
            otherwise=f"{self.name} did not end",
        )

    def runs(self, layout: Layout, sandbox: Sandbox) -> bool:
        """Whether its process is there."""
        try:
            sandbox.run("kill", "-0", self._pid(layout))
        except (Failed, OSError):
            return False
        return True

    def _pid(self, layout: Layout) -> str:
        return layout.pid_file(self.name).read_text().strip()
