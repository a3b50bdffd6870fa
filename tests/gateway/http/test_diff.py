"""The workspace's changes over HTTP."""

from datetime import UTC, datetime

import pytest

from gateway.errors import Exhausted, GatewayError, Gone, NotFound, Unavailable, Unsupported
from gateway.model import Diff, FileChange
from tests.gateway.http.conftest import Door

DIFF = "/api/v1/agents/a1/diff"
ADA = {"user_id": "ada"}
SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def changed(path: str, **facts: object) -> FileChange:
    given = {
        "old_path": "",
        "status": "modified",
        "additions": 0,
        "deletions": 0,
        "binary": False,
        "left_out": False,
    }
    return FileChange(path=path, **{**given, **facts})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def an_agent(door: Door) -> None:
    door.launcher.add("a1", "ada")


async def test_a_turns_diff_says_what_it_covers(door: Door) -> None:
    """Files and text, whose work it is, and from when to when; what is false is absent."""
    door.diffs.told = Diff(
        text="diff --git a/x b/x\n",
        files=(
            changed("x", additions=2, deletions=1),
            changed("new", status="renamed", old_path="old"),
            changed("b", status="added", binary=True),
            changed("large", left_out=True),
        ),
        truncated=True,
        turns=("r-0", "r-1"),
        since=SINCE,
        until=SINCE.replace(second=9),
    )
    answer = await door.http.get(DIFF, params={**ADA, "request_id": "r-1"})
    assert answer.json() == {
        "request_id": "r-1",
        "turns": ["r-0", "r-1"],
        "since": "2026-01-02T03:04:05Z",
        "until": "2026-01-02T03:04:09Z",
        "files": [
            {"path": "x", "status": "modified", "additions": 2, "deletions": 1},
            {"path": "new", "old_path": "old", "status": "renamed"},
            {"path": "b", "status": "added", "binary": True},
            {"path": "large", "status": "modified", "left_out": True},
        ],
        "diff": "diff --git a/x b/x\n",
        "truncated": True,
    }
    assert door.diffs.asked == ["r-1"]


async def test_nothing_changed_is_an_answer_too(door: Door) -> None:
    """Without a turn the question is about all of them."""
    answer = await door.http.get(DIFF, params=ADA)
    assert (answer.status_code, answer.json()) == (200, {"files": [], "diff": ""})
    assert door.diffs.asked == [""]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unsupported("git is not installed"), 422, "unsupported"),
        (NotFound("no such turn"), 404, "not_found"),
        (Gone("not kept"), 410, "gone"),
        (Exhausted("too many"), 429, "too_many_requests"),
        (Unavailable("later"), 503, "service_unavailable"),
    ],
)
async def test_why_there_is_none_is_told(
    door: Door, error: GatewayError, status: int, code: str
) -> None:
    """Each reason has its status."""
    door.diffs.failure = error
    answer = await door.http.get(DIFF, params=ADA)
    assert (answer.status_code, answer.json()["error"]) == (status, code)


async def test_nobody_elses_diffs_are_told(door: Door) -> None:
    """As with everything of an agent; a request_id that no turn can have is a 400."""
    assert (await door.http.get(DIFF, params={"user_id": "eve"})).status_code == 404
    wrong = {**ADA, "request_id": "a b"}
    assert (await door.http.get(DIFF, params=wrong)).status_code == 400
