"""Agents over HTTP."""

from typing import Any

import pytest

from gateway.errors import Exhausted, KeyringError, StartFailed, Unavailable
from tests.gateway.http.conftest import Door


async def test_create_makes_an_agent_of_the_owner(door: Door) -> None:
    """A 201 tells an agent that can be found again, and the launcher got what was asked."""
    asked = {
        "owner_id": "Ada Lovelace, 1815",
        "backend": "opencode",
        "model": "a/b",
        "permission_mode": "bypassPermissions",
        "env": {"KEY": "v\nw"},
        "labels": {"team": "x"},
        "unknown": {"is": "ignored"},
    }
    answer = await door.http.post("/api/v1/agents", json=asked)
    assert answer.status_code == 201, answer.text
    agent = answer.json()
    assert agent == {
        "user_id": "Ada Lovelace, 1815",
        "agent_id": agent["agent_id"],
        "pod_name": f"u-{agent['agent_id']}",
        "pod_ip": "127.0.0.1",
        "phase": "Running",
        "ready": True,
        "created_at": "2026-01-02T03:04:05Z",
        "backend": "opencode",
    }
    assert answer.headers["location"] == f"/api/v1/agents/{agent['agent_id']}"
    (spec,) = door.launcher.specs
    assert (spec.model, spec.permission_mode) == ("a/b", "bypassPermissions")
    assert (spec.env, spec.labels) == ({"KEY": "v\nw"}, {"team": "x"})
    found = await door.http.get(answer.headers["location"], params={"user_id": agent["user_id"]})
    assert found.json() == agent


async def test_create_waits_as_long_as_set_or_not_at_all(door: Door) -> None:
    """`wait=false` answers at once; otherwise the setting bounds the wait."""
    body = {"owner_id": "ada"}
    await door.http.post("/api/v1/agents", json=body)
    await door.http.post("/api/v1/agents?wait=true", json=body)
    await door.http.post("/api/v1/agents?wait=false", json=body)
    assert door.launcher.waits_s == [60, 60, 0]
    assert door.launcher.specs[0].backend == "command"
    assert len({spec.agent_id for spec in door.launcher.specs}) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "owner_id is missing"),
        ({"owner_id": ""}, "owner_id: a text of 1 to 512"),
        ({"owner_id": "a\n"}, "owner_id: a text of 1 to 512"),
        ({"owner_id": "x" * 513}, "owner_id: a text of 1 to 512"),
        ({"owner_id": 7}, "owner_id: a text of 1 to 512"),
        ({"owner_id": None}, "owner_id: a text of 1 to 512"),
        ({"owner_id": "a", "permission_mode": "all"}, "permission_mode: `default`, "),
        ({"owner_id": "a", "backend": "no such"}, "backend: the name of a backend"),
        ({"owner_id": "a", "backend": "other"}, "backend: other is not installed"),
        ({"owner_id": "a", "env": {"A=B": "x"}}, "env: a variable's name"),
        ({"owner_id": "a", "env": {"A": "x\0"}}, "env[...]: a text of"),
        ({"owner_id": "a", "env": {"A": 1}}, "env"),
        ({"owner_id": "a", "env": [1]}, "env: Expected `object`, got `array`"),
        ({"owner_id": "a", "labels": {"t": "ü"}}, "labels"),
        ([], "the body: Expected `object`, got `array`"),
    ],
)
async def test_create_names_what_is_wrong(door: Door, body: Any, said: str) -> None:
    """A 400 names the field and the right form, and nothing is made."""
    answer = await door.http.post("/api/v1/agents", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "bad_request"
    assert said in answer.json()["message"]
    assert not door.launcher.agents


async def test_create_that_fails_is_503(door: Door) -> None:
    """What cannot be started answers 503 in words, with the time to come back."""
    door.launcher.failure = StartFailed("the command bash is missing", retry_after_s=9)
    answer = await door.http.post("/api/v1/agents", json={"owner_id": "ada"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "9"
    assert answer.json() == {
        "error": "service_unavailable",
        "message": "the command bash is missing",
    }


async def test_list_is_of_one_owner_or_of_all(door: Door) -> None:
    """`user_id` picks; without keys it may be left out."""
    door.launcher.add("a1", "ada")
    door.launcher.add("b1", "bob")
    everything = (await door.http.get("/api/v1/agents")).json()
    assert everything["total"] == 2
    mine = (await door.http.get("/api/v1/agents", params={"user_id": "ada"})).json()
    assert [agent["agent_id"] for agent in mine["agents"]] == ["a1"]
    assert mine["total"] == 1
    assert (await door.http.get("/api/v1/agents?user_id=eve")).json() == {"agents": [], "total": 0}


async def test_an_agent_that_is_not_ready_says_why(door: Door) -> None:
    """Reason and message are there while it is not ready, and nothing asks it."""
    door.launcher.add("a1", "ada", ready=False)
    agent = (await door.http.get("/api/v1/agents/a1?user_id=ada&refresh=true")).json()
    assert (agent["phase"], agent["ready"]) == ("Pending", False)
    assert (agent["reason"], agent["message"]) == ("Starting", "it is being started")
    assert "state" not in agent


async def test_refresh_adds_what_the_agent_says(door: Door) -> None:
    """The live fields come with refresh only, empty ones not at all; a failure leaves them out."""
    door.launcher.add("a1", "ada")
    plain = (await door.http.get("/api/v1/agents/a1?user_id=ada")).json()
    assert "state" not in plain
    fresh = (await door.http.get("/api/v1/agents/a1?user_id=ada&refresh=true")).json()
    assert fresh == {
        **plain,
        "session_id": "ses_1",
        "state": "processing",
        "latest_seq": 7,
        "permission_mode": "acceptEdits",
        "uptime_ms": 1234,
        "capabilities": ["permissions", "usage"],
        "usage": {"input_tokens": 7, "output_tokens": 8, "cost_usd": 0.5},
        "policy": {"rules": [{"tool": "web*", "action": "deny"}], "timeout_s": 1.5},
    }
    for failure in (Unavailable("no answer"), Exhausted("full"), KeyringError("key k1 is missing")):
        door.lifecycle.failure = failure
        answer = await door.http.get("/api/v1/agents/a1?user_id=ada&refresh=true")
        assert (answer.status_code, answer.json()) == (200, plain)


async def test_delete_answers_204_and_the_agent_is_gone(door: Door) -> None:
    """204 once, 404 after; graceful reaches the relay."""
    door.launcher.add("a1", "ada")
    door.launcher.add("a2", "ada")
    gone = await door.http.delete("/api/v1/agents/a1?user_id=ada")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await door.http.delete("/api/v1/agents/a1?user_id=ada")).status_code == 404
    await door.http.delete("/api/v1/agents/a2?user_id=ada&graceful=true")
    assert door.lifecycle.deleted == [("a1", False), ("a2", True)]


@pytest.mark.parametrize("agent_id", ["nope", "..%2f..%2fetc", "a%00b", "%ff", "x" * 200, "é"])
async def test_strange_ids_are_just_unknown(door: Door, agent_id: str) -> None:
    """Whatever stands in the path, an agent that is not there is a 404."""
    answer = await door.http.get(f"/api/v1/agents/{agent_id}?user_id=ada")
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "user_id is missing"),
        ("user_id=", "user_id: a text"),
        ("user_id=a&user_id=b", "user_id is given twice"),
        ("user_id=ada&refresh=yes", "refresh: `true` or `false` is needed"),
    ],
)
async def test_queries_are_checked(door: Door, query: str, said: str) -> None:
    """A wrong query answers 400 and names the parameter."""
    door.launcher.add("a1", "ada")
    answer = await door.http.get(f"/api/v1/agents/a1?{query}")
    assert answer.status_code == 400
    assert said in answer.json()["message"]


async def test_grpc_token_gives_address_and_token(door: Door) -> None:
    """A direct client gets where to call and what to show, which no cache may keep."""
    door.launcher.add("a1", "ada")
    answer = await door.http.post("/api/v1/agents/a1/grpc-token?user_id=ada", json={})
    assert answer.status_code == 200
    assert answer.json() == {"address": "unix:/run/a1.sock", "token": "token-of-a1"}
    assert answer.headers["cache-control"] == "no-store"
