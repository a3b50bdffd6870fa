"""Threads, the CLI's conversations: begun, taken up again, forked.

All of them ask before all but harmless commands, and run without a sandbox of the CLI's.
"""

from pathlib import Path
from typing import Any

from agent_runtime.backends.codex import shapes
from agent_runtime.backends.codex.rpc import call
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import Refused

_POLICY = {"approvalPolicy": "untrusted", "sandbox": "danger-full-access"}


async def begin(lines: JsonLines, workspace: Path) -> str:
    """The id of an empty one. Raises Refused, BackendCrashed."""
    return await _call(lines, "thread/start", workspace)


async def take_up(lines: JsonLines, workspace: Path, thread_id: str) -> bool:
    """Whether the CLI still knows it: one in which nothing was said it forgets.

    Raises BackendCrashed.
    """
    try:
        await _call(lines, "thread/resume", workspace, threadId=thread_id, excludeTurns=True)
    except Refused:
        return False
    return True


async def fork(lines: JsonLines, workspace: Path, thread_id: str) -> str:
    """The id of one that begins as that one. Raises Refused, BackendCrashed."""
    return await _call(lines, "thread/fork", workspace, threadId=thread_id, excludeTurns=True)


async def _call(lines: JsonLines, method: str, workspace: Path, **params: Any) -> str:
    told = {"cwd": str(workspace), **_POLICY, **params}
    return (await call(lines, method, told, shapes.ThreadTold)).thread.id
