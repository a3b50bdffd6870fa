"""Turns over HTTP: what became of them, and redelivery."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.errors import Exhausted, Gone, Unavailable
from gateway.model import Target, TurnReport
from tests.gateway.http.conftest import Door

TURNS = "/api/v1/agents/a1/turns"
REDELIVER = f"{TURNS}/r-1/redeliver?user_id=ada"
ADA = {"user_id": "ada"}

RUNNING = TurnReport(
    request_id="r-2",
    state="running",
    outcome=None,
    first_seq=0,
    last_seq=0,
    acked_seq=0,
    delivery="none",
    attempts=0,
    next_attempt_at=None,
    last_status=0,
    last_error="",
    rejected_seqs=(),
    generation=1,
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
)
PARKED = TurnReport(
    request_id="r-1",
    state="ended",
    outcome="completed",
    first_seq=3,
    last_seq=9,
    acked_seq=5,
    delivery="parked",
    attempts=4,
    next_attempt_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    last_status=503,
    last_error="HTTP 503",
    rejected_seqs=(4,),
    generation=2,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.fixture(autouse=True)
def turns(door: Door) -> None:
    door.launcher.add("a1", "ada")
    door.readback.reports = [PARKED, RUNNING]


async def test_a_turn_tells_how_its_delivery_goes(door: Door) -> None:
    """Everything an operator needs to know of a turn that is stuck."""
    answer = await door.http.get(f"{TURNS}/r-1", params=ADA)
    assert answer.json() == {
        "request_id": "r-1",
        "state": "ended",
        "outcome": "completed",
        "first_seq": 3,
        "last_seq": 9,
        "acknowledged_seq": 5,
        "delivery": "parked",
        "generation": 2,
        "attempts": 4,
        "next_attempt_at": "2026-01-02T03:04:05Z",
        "last_status": 503,
        "last_error": "HTTP 503",
        "rejected_seqs": [4],
        "created_at": "2026-01-01T00:00:00Z",
    }


async def test_the_list_leaves_out_what_does_not_apply(door: Door) -> None:
    """Oldest first; a turn that has not ended has no outcome, one without failures no attempts."""
    listed = (await door.http.get(TURNS, params=ADA)).json()
    assert listed["total"] == 2
    assert [turn["request_id"] for turn in listed["turns"]] == ["r-1", "r-2"]
    assert set(listed["turns"][1]) == {
        "request_id",
        "state",
        "first_seq",
        "last_seq",
        "acknowledged_seq",
        "delivery",
        "generation",
        "created_at",
    }


async def test_older_turns_are_a_page_away(door: Door) -> None:
    """An agent with thousands of turns is listed in pieces, the newest first."""
    door.readback.reports = [replace(PARKED, request_id=f"r-{number}") for number in range(3)]
    newest = (await door.http.get(TURNS, params=ADA)).json()
    assert [turn["request_id"] for turn in newest["turns"]] == ["r-1", "r-2"]
    assert newest["more"]
    older = (await door.http.get(TURNS, params={**ADA, "before": "r-1"})).json()
    assert [turn["request_id"] for turn in older["turns"]] == ["r-0"]
    assert not older["more"]
    wrong = await door.http.get(TURNS, params={**ADA, "before": "a b"})
    assert (wrong.status_code, wrong.json()["message"][:8]) == (400, "before: ")


@pytest.mark.parametrize("turn", ["r-9", "a b", "x" * 129])
async def test_an_unknown_turn_is_404(door: Door, turn: str) -> None:
    """Whatever its name."""
    assert (await door.http.get(f"{TURNS}/{turn}", params=ADA)).status_code == 404
    answer = await door.http.post(f"{TURNS}/{turn}/redeliver", params=ADA, json={})
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["", "/r-1", "/r-1/redeliver"])
async def test_somebody_elses_turns_are_404(door: Door, path: str) -> None:
    """They are their owner's."""
    method = "POST" if path.endswith("redeliver") else "GET"
    body: dict[str, str] | None = {} if method == "POST" else None
    answer = await door.http.request(method, TURNS + path, params={"user_id": "bob"}, json=body)
    assert answer.status_code == 404
    assert not door.readback.redeliveries


async def test_redelivery_is_answered_with_202(door: Door) -> None:
    """As it stands, from a seq, or to another receiver; the answer names the generation."""
    plain = await door.http.post(REDELIVER, json={})
    assert (plain.status_code, plain.json()) == (
        202,
        {"request_id": "r-1", "agent_id": "a1", "generation": 2, "status": "redelivering"},
    )
    url = "http://127.0.0.1:9/new"
    body = {"from_seq": 3, "webhook_url": url, "webhook_secret": "s2"}
    await door.http.post(REDELIVER, json=body)
    target = Target(webhook_url=url, webhook_secret="s2")
    await door.http.post(REDELIVER, json={"webhook_secret": "s3"})
    assert door.readback.redeliveries == [
        ("r-1", 0, None, ""),
        ("r-1", 3, target, "s2"),
        ("r-1", 0, None, "s3"),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"from_seq": 0}, "from_seq: "),
        ({"from_seq": "3"}, "from_seq: "),
        ({"from_seq": 2**53}, "from_seq: "),
        ({"webhook_url": "ftp://x"}, "webhook_url: "),
        ({"webhook_secret": "s" * 513}, "webhook_secret: "),
    ],
)
async def test_a_wrong_redelivery_names_the_field(
    door: Door, body: dict[str, Any], said: str
) -> None:
    """400, and nothing is delivered again."""
    answer = await door.http.post(REDELIVER, json=body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(said)
    assert not door.readback.redeliveries


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Gone("not kept"), 410, "gone"),
        (Exhausted("full"), 429, "too_many_requests"),
        (Unavailable("no answer"), 503, "service_unavailable"),
    ],
)
async def test_refusals_of_the_agent(
    door: Door, failure: Exception, status: int, code: str
) -> None:
    """Trimmed events are 410; what may pass carries Retry-After."""
    door.readback.failure = failure
    answer = await door.http.post(REDELIVER, json={})
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status != 410)
