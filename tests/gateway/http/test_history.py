"""The conversation over HTTP: pages, and the export."""

import json

import pytest

from gateway.errors import BadRequest, Unavailable
from tests.gateway.http.conftest import Door

MESSAGES = "/api/v1/agents/a1/messages?user_id=ada"
EXPORT = "/api/v1/agents/a1/export?user_id=ada"
SAID = [json.dumps({"role": "user", "text": f"grüße {number}"}).encode() for number in range(4)]


@pytest.fixture(autouse=True)
def an_agent(door: Door) -> None:
    door.launcher.add("a1", "ada")
    door.history.said = SAID


async def test_a_page_of_messages(door: Door) -> None:
    """As the agent tells them, with the way to older ones."""
    page = (await door.http.get(MESSAGES)).json()
    assert page == {"messages": [json.loads(one) for one in SAID[-2:]], "next_cursor": "7"}
    await door.http.get(f"{MESSAGES}&cursor=7&limit=10")
    assert door.history.asked == [("", 50), ("7", 10)]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=x", "cursor=-1"])
async def test_pages_are_checked(door: Door, query: str) -> None:
    """400 with the parameter's name."""
    answer = await door.http.get(f"{MESSAGES}&{query}")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(query.partition("=")[0])


async def test_the_export_is_json_lines(door: Door) -> None:
    """All of it, a message a line."""
    answer = await door.http.get(EXPORT)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.content.splitlines() == SAID
    door.history.said = []
    assert (await door.http.get(EXPORT)).content == b""


@pytest.mark.parametrize("path", [MESSAGES, EXPORT])
@pytest.mark.parametrize(
    ("failure", "status"), [(BadRequest("cursor: none of ours"), 400), (Unavailable("gone"), 503)]
)
async def test_an_agent_that_does_not_tell_is_an_error(
    door: Door, path: str, failure: BadRequest | Unavailable, status: int
) -> None:
    """Not an empty conversation."""
    door.history.failure = failure
    assert (await door.http.get(path)).status_code == status
