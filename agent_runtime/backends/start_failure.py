"""A CLI that did not start, and whether its version is why."""

import asyncio
import tempfile

from agent_runtime.backends.binary import Installed, secluded
from agent_runtime.backends.protocol import BackendContext
from agent_runtime.errors import BackendUnusable
from agent_runtime.processes import CliProcess

_LIMIT_S = 20.0
_MOST_BYTES = 4096


class NotStarted(BackendUnusable):
    """It ended, or did not answer; the message holds the end of its error output."""


async def version_at_fault(installed: Installed, context: BackendContext) -> str:
    """That its version is not supported; "" where it is, or is not told.

    A CLI that starts tells its version then. One that does not may be too old to
    understand how it is started.
    """
    with tempfile.TemporaryDirectory(prefix="forge-version-") as folder:
        process = await context.processes.spawn(
            [installed.path, "--version"],
            cwd=context.workspace,
            env=secluded(context.env, folder),
            merge_stderr=True,
        )
        try:
            process.stdin.close()
            async with asyncio.timeout(_LIMIT_S):
                told = await _beginning(process)
        except TimeoutError:
            return ""
        finally:
            await context.processes.end(process)
            process.close_pipes()
    return installed.program.objection(told)


async def _beginning(process: CliProcess) -> str:
    told = b""
    while len(told) < _MOST_BYTES and (chunk := await process.stdout.read(_MOST_BYTES)):
        told += chunk
    return told.decode("utf-8", "replace")
