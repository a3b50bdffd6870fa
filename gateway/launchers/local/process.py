"""A runtime as a child of this gateway: started in a session of its own, reaped when it ends.

Not by asyncio's subprocesses: those end with the loop that started them, and a
runtime outlives its gateway.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

from gateway.errors import StartFailed
from gateway.launchers.local import log

COMMAND = (sys.executable, "-E", "-P", "-m", "agent_runtime")
"""-E, -P: neither PYTHON* variables given to the agent nor files of its own change the runtime."""

_TERM_GRACE_S = 3.0
_KILL_GRACE_S = 5.0


class RuntimeProcess:
    """One child. `ended` becomes its exit status (negative: the signal); nobody cancels it.

    A thread of its own waits for it, so that no zombie is left on any system.
    """

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        *,
        log_path: Path,
        log_start_bytes: int,
        secrets: Collection[str],
    ) -> None:
        self.pid = popen.pid
        self._log_path = log_path
        self._log_start_bytes = log_start_bytes
        self._secrets = secrets
        self._loop = asyncio.get_running_loop()
        self.started_at = self._loop.time()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        threading.Thread(
            target=self._reap, args=(popen,), name=f"reap-{self.pid}", daemon=True
        ).start()

    @classmethod
    def start(
        cls, *, env: Mapping[str, str], cwd: Path, log_path: Path, secrets: Collection[str]
    ) -> "RuntimeProcess":
        """Start one; a millisecond or two. `secrets` are blanked in its last words.

        Raises:
            StartFailed: the system refuses; says why.
        """
        try:
            output = log.open_to_append(log_path)
        except OSError as error:
            raise StartFailed(f"the agent's log cannot be written: {error.strerror}") from error
        start_bytes = log.size(log_path)
        try:
            popen = subprocess.Popen(  # noqa: S603 - a fixed command
                COMMAND,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise StartFailed(f"the agent's process cannot be started: {error}") from error
        finally:
            os.close(output)
        return cls(popen, log_path=log_path, log_start_bytes=start_bytes, secrets=secrets)

    def last_words(self) -> str:
        """The end of what it has written so far, fit to be shown; "" for nothing."""
        return log.last_words(
            self._log_path, since_bytes=self._log_start_bytes, secrets=self._secrets
        )

    async def end(self) -> None:
        """SIGTERM, after 3 s SIGKILL, to its whole group; waits until it is gone, 8 s at most."""
        for signum, grace_s in ((signal.SIGTERM, _TERM_GRACE_S), (signal.SIGKILL, _KILL_GRACE_S)):
            if self.ended.done():
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signum)
            await asyncio.wait({self.ended}, timeout=grace_s)

    def _reap(self, popen: subprocess.Popen[bytes]) -> None:
        status = popen.wait()
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever cared
            self._loop.call_soon_threadsafe(self.ended.set_result, status)
