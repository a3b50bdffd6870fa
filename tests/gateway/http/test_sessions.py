"""Changes of an agent, other sessions, and messages that are wanted now, over HTTP."""

from typing import Any

import pytest

from gateway.errors import BadRequest, Unavailable, Unsupported
from gateway.model import Policy
from tests.gateway.http.conftest import Door

AGENT = "/api/v1/agents/a1?user_id=ada"
MESSAGES = "/api/v1/agents/a1/messages?user_id=ada"


@pytest.fixture(autouse=True)
def an_agent(door: Door) -> None:
    door.launcher.add("a1", "ada")


async def test_model_and_mode_are_set(door: Door) -> None:
    """Each by a command of its own; the answer is the agent with what it says of itself."""
    change = {"model": "stub/other", "permission_mode": "default"}
    answer = await door.http.patch(AGENT, json=change)
    assert (answer.status_code, answer.json()["session_id"]) == (200, "ses_1")
    model, mode = door.commands.sent
    assert (model["model"], mode["mode"]) == ("stub/other", "default")
    assert model["request_id"] != mode["request_id"]


async def test_a_policy_is_set(door: Door) -> None:
    """As it is given, in place of the one before; none at all is one, too."""
    policy = {
        "rules": [{"tool": "web*", "action": "deny"}],
        "timeout_s": 1.5,
        "on_timeout": "allow",
    }
    for change in (policy, {}):
        assert (await door.http.patch(AGENT, json={"policy": change})).status_code == 200
    given, none = (command["policy"] for command in door.commands.sent)
    assert given == Policy(rules=(("web*", "deny"),), timeout_ms=1500, on_timeout="allow")
    assert none == Policy()


async def test_a_change_of_nothing_shows_the_agent(door: Door) -> None:
    """No command is sent; an agent that does not answer is shown without its live fields."""
    door.lifecycle.failure = Unavailable("no answer")
    answer = await door.http.patch(AGENT, json={})
    assert (answer.status_code, "state" in answer.json()) == (200, False)
    assert door.commands.sent == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": ""}, "model: a model in the backend's own form"),
        ({"model": "a b"}, "model: a model in the backend's own form"),
        ({"permission_mode": "yolo"}, "permission_mode: `default`, `acceptEdits` or"),
        ({"policy": {"rules": [{"tool": "bash", "action": "maybe"}]}}, "policy.rules[0].action"),
        ({"policy": {"rule": []}}, "policy"),
    ],
)
async def test_changes_are_checked(door: Door, change: dict[str, Any], words: str) -> None:
    """400 with the field's name, before anything is changed."""
    answer = await door.http.patch(AGENT, json=change)
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert door.commands.sent == []


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (BadRequest("model: known are a, b"), 400),
        (Unsupported("it has no 'set_model'"), 422),
        (Unavailable("not up"), 503),
    ],
)
async def test_what_the_agent_refuses_is_told(door: Door, failure: Exception, status: int) -> None:
    """In its own words."""
    door.commands.failure = failure
    answer = await door.http.patch(AGENT, json={"model": "nope"})
    assert (answer.status_code, answer.json()["message"]) == (status, str(failure))


@pytest.mark.parametrize(("path", "fork"), [("sessions", False), ("fork", True)])
async def test_another_session_is_a_command(door: Door, path: str, fork: bool) -> None:
    """202 under an id of its own, with a webhook where one is wanted."""
    url = f"/api/v1/agents/a1/{path}?user_id=ada"
    body: dict[str, Any] = {"request_id": "s1", "webhook_url": "http://127.0.0.1:9/hook"}
    answer = await door.http.post(url, json=body)
    assert (answer.status_code, answer.json()) == (
        202,
        {"request_id": "s1", "agent_id": "a1", "status": "processing"},
    )
    (sent,) = door.commands.sent
    assert (sent["fork"], sent["target"] is None) == (fork, False)


async def test_a_message_may_be_wanted_now(door: Door) -> None:
    """Else it waits, which is what is said when nothing is."""
    for when in ("queue", "now"):
        await door.http.post(MESSAGES, json={"content": "x", "when": when})
    assert [sent.get("now", False) for sent in door.commands.sent] == [False, True]
    answer = await door.http.post(MESSAGES, json={"content": "x", "when": "later"})
    assert (answer.status_code, "when" in answer.json()["message"]) == (400, True)
