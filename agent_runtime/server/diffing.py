"""A diff as agent.v1 tells it."""

from agent_runtime.turns.diffs import Diffs
from agent_runtime.workspace.changes import FileChange
from proto.agent.v1 import agent_pb2


async def told(diffs: Diffs, request: agent_pb2.DiffRequest) -> agent_pb2.DiffResponse:
    """Raises RuntimeFault, as `Diffs` does."""
    asked = request.request_id
    diff = await (diffs.of_turn(asked) if asked else diffs.of_all())
    return agent_pb2.DiffResponse(
        diff=diff.changes.diff,
        files=map(_file, diff.changes.files),
        truncated=diff.changes.truncated,
        turns=diff.turns,
        since_ms=diff.since_ms,
        until_ms=diff.until_ms,
    )


def _file(change: FileChange) -> agent_pb2.ChangedFile:
    return agent_pb2.ChangedFile(
        path=change.path,
        old_path=change.old_path,
        status=change.status,
        additions=change.additions,
        deletions=change.deletions,
        binary=change.binary,
        left_out=change.left_out,
    )
