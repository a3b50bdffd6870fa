"""What an agent has changed in its workspace."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.forms import RequestId, plain
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, Diff, FileChange


class Diffs(Protocol):
    """What knows the workspaces of agents (`gateway.relay.difference`)."""

    async def diff(self, agent: Agent, request_id: str = "") -> Diff: ...


class DiffQuery(OwnerQuery, frozen=True, kw_only=True):
    """Of one turn; without `request_id` of all since the workspace was first seen."""

    request_id: RequestId | UnsetType = UNSET


class ChangedFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file. `old_path`: of one that was renamed. What is false is absent."""

    path: str
    old_path: str = ""
    status: Annotated[str, Meta(description="`added`, `deleted`, `modified` or `renamed`")]
    additions: Annotated[int, Meta(description="Lines")] = 0
    deletions: Annotated[int, Meta(description="Lines")] = 0
    binary: bool = False
    left_out: Annotated[
        bool, Meta(description="Too large, or not readable: its content is not in `diff`")
    ] = False


class DiffAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changed between `since` and `until`. Both are absent for a turn that did not run."""

    request_id: str = ""
    turns: Annotated[
        tuple[str, ...], Meta(description="Of a turn: all those that are in it, at most 100")
    ] = ()
    since: datetime | UnsetType = UNSET
    until: datetime | UnsetType = UNSET
    files: list[ChangedFile]
    diff: Annotated[str, Meta(description="Unified, as `git diff` tells it")]
    truncated: Annotated[bool, Meta(description="More files, or more of the diff")] = False


_EXAMPLE = DiffAnswer(
    request_id="req_0123456789abcdef",
    turns=("req_0123456789abcdef",),
    since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    until=datetime(2026, 1, 2, 3, 5, 0, tzinfo=UTC),
    files=[ChangedFile(path="notes.txt", status="modified", additions=1, deletions=1)],
    diff=(
        "diff --git a/notes.txt b/notes.txt\nindex 257cc56..5716ca5 100644\n"
        "--- a/notes.txt\n+++ b/notes.txt\n@@ -1 +1 @@\n-foo\n+bar\n"
    ),
)


class DiffResource:
    def __init__(self, launcher: Launcher, diffs: Diffs) -> None:
        self._launcher = launcher
        self._diffs = diffs

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path=f"{ONE}/diff",
                name="getDiff",
                summary="Show what a turn, or all turns, have changed in the workspace",
                handler=self._show,
                query=DiffQuery,
                answers={
                    200: Answer(
                        what="Files in order of their paths",
                        model=DiffAnswer,
                        example=_EXAMPLE,
                    )
                },
                errors=(404, 410, 422, 429),
            )
        ]

    async def _show(self, call: Call[DiffQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        request_id = call.trace.request_id = plain(call.query.request_id)
        return json_response(_answer(request_id, await self._diffs.diff(agent, request_id)))


def _answer(request_id: str, diff: Diff) -> DiffAnswer:
    return DiffAnswer(
        request_id=request_id,
        turns=diff.turns,
        since=diff.since or UNSET,
        until=diff.until or UNSET,
        files=list(map(_file, diff.files)),
        diff=diff.text,
        truncated=diff.truncated,
    )


def _file(change: FileChange) -> ChangedFile:
    return ChangedFile(
        path=change.path,
        old_path=change.old_path,
        status=change.status,
        additions=change.additions,
        deletions=change.deletions,
        binary=change.binary,
        left_out=change.left_out,
    )
