"""Prompts over HTTP: what is shown of them, how they are answered, policies."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.errors import Conflict, Gone, NotFound, Unsupported
from gateway.model import OpenPrompt, Policy, Reply
from tests.gateway.http.conftest import Door

PROMPTS = "/api/v1/agents/a1/prompts"
ONE = f"{PROMPTS}/per_1?user_id=ada"
ASKED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXPIRES = datetime(2026, 1, 2, 3, 14, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def an_agent(door: Door) -> None:
    door.launcher.add("a1", "ada")


def prompt(prompt_id: str, kind: Any, data: bytes) -> OpenPrompt:
    return OpenPrompt(
        prompt_id=prompt_id,
        request_id="r1",
        kind=kind,
        data=data,
        asked_at=ASKED,
        expires_at=EXPIRES,
    )


async def test_open_prompts_are_listed(door: Door) -> None:
    """With what their events say, and until when they wait."""
    door.lifecycle.opened = [
        prompt("per_1", "permission", b'{"tool":"bash","input":{"a":1},"options":["once"]}'),
        prompt("que_1", "question", b'{"questions":[{"question":"Which?","options":[]}]}'),
    ]
    listed = (await door.http.get(PROMPTS, params={"user_id": "ada"})).json()
    common = {
        "request_id": "r1",
        "asked_at": "2026-01-02T03:04:05Z",
        "expires_at": "2026-01-02T03:14:05Z",
    }
    assert listed == {
        "prompts": [
            {
                "prompt_id": "per_1",
                "kind": "permission",
                "tool": "bash",
                "input": {"a": 1},
                "options": ["once"],
                **common,
            },
            {
                "prompt_id": "que_1",
                "kind": "question",
                "questions": [{"question": "Which?", "options": []}],
                **common,
            },
        ],
        "total": 2,
    }


async def test_an_answer_is_a_command(door: Door) -> None:
    """202, under an id of its own; the relay got what was said."""
    body = {"decision": "reject", "message": "no", "request_id": "n1"}
    answer = await door.http.post(ONE, json=body)
    assert (answer.status_code, answer.json()) == (
        202,
        {"request_id": "n1", "agent_id": "a1", "prompt_id": "per_1", "status": "answered"},
    )
    await door.http.post(ONE, json={"answers": [["A", "B"], ["mine"]]})
    assert [sent["reply"] for sent in door.commands.sent] == [
        Reply(prompt_id="per_1", decision="reject", message="no"),
        Reply(prompt_id="per_1", answers=(("A", "B"), ("mine",))),
    ]


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (NotFound("no such prompt"), 404, "not_found"),
        (Conflict("answered"), 409, "conflict"),
        (Gone("too late"), 410, "gone"),
        (Unsupported("it has no 'permissions'"), 422, "unsupported"),
    ],
)
async def test_what_takes_no_answer_says_so(
    door: Door, failure: Exception, status: int, code: str
) -> None:
    """Twice, late, unknown, impossible: each has its own status."""
    door.commands.failure = failure
    answer = await door.http.post(ONE, json={"decision": "once"})
    assert (answer.status_code, answer.json()) == (
        status,
        {"error": code, "message": str(failure)},
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "decision (to a permission) or answers (to a question)"),
        ({"decision": "once", "answers": [["A"]]}, "decision"),
        ({"decision": "yes"}, "decision: "),
        ({"answers": [[]]}, "answers[0]: "),
        ({"answers": [[""]]}, "answers[0][0]: a text of 1 to"),
    ],
)
async def test_answers_are_checked(door: Door, body: dict[str, Any], words: str) -> None:
    """400 with the field's name."""
    answer = await door.http.post(ONE, json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert words in answer.json()["message"]


async def test_an_id_that_no_prompt_can_have_is_not_found(door: Door) -> None:
    """404, and the agent is not asked."""
    answer = await door.http.post(f"{PROMPTS}/a%20b?user_id=ada", json={"decision": "once"})
    assert answer.status_code == 404
    assert door.commands.sent == []


async def test_policies_reach_agent_and_message(door: Door) -> None:
    """As text for the agent's start, as it is with a message."""
    policy = {"rules": [{"tool": "ba*", "action": "deny"}], "timeout_s": 1.5, "on_timeout": "allow"}
    made = await door.http.post("/api/v1/agents", json={"owner_id": "ada", "policy": policy})
    assert made.status_code == 201, made.text
    assert door.launcher.specs[0].policy == (
        '{"rules":[{"tool":"ba*","action":"deny"}],"timeout_s":1.5,"on_timeout":"allow"}'
    )
    await door.http.post(
        "/api/v1/agents/a1/messages?user_id=ada", json={"content": "x", "policy": policy}
    )
    assert door.commands.sent[0]["policy"] == Policy(
        rules=(("ba*", "deny"),), timeout_ms=1500, on_timeout="allow"
    )


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"rules": [{"tool": "bash", "action": "maybe"}]}, "policy.rules[0].action"),
        ({"rules": [{"tool": "", "action": "ask"}]}, "policy.rules[0].tool"),
        ({"timeout_s": 0}, "policy.timeout_s"),
        ({"allow": ["bash"]}, "policy"),
    ],
)
async def test_policies_are_checked(door: Door, policy: dict[str, Any], words: str) -> None:
    """What nobody understands is refused, not ignored."""
    answer = await door.http.post("/api/v1/agents", json={"owner_id": "ada", "policy": policy})
    assert answer.status_code == 400
    assert words in answer.json()["message"]
