"""Messages and interrupts over HTTP."""

import re
from typing import Any

import pytest

from gateway.errors import Exhausted, Unavailable
from gateway.model import Batch, Delivery, File, Target
from tests.gateway.http.conftest import WEBHOOK, Door

MESSAGES = "/api/v1/agents/a1/messages?user_id=ada"
FILE = {"filename": "a.txt", "mime_type": "text/plain"}
BATCH = {"max_events": 8, "max_wait_ms": 50}
INTERRUPT = "/api/v1/agents/a1/interrupt?user_id=ada"


@pytest.fixture(autouse=True)
def an_agent(door: Door) -> None:
    door.launcher.add("a1", "ada")


async def test_a_message_is_answered_with_202(door: Door) -> None:
    """The answer names the turn, and the relay got what was sent."""
    body = {"content": "hi \u2603", "webhook_secret": "s3", "timeout_s": 1.5, **WEBHOOK}
    answer = await door.http.post(MESSAGES, json=body)
    assert answer.status_code == 202, answer.text
    request_id = answer.json()["request_id"]
    assert re.fullmatch(r"req_[0-9a-f]{16}", request_id)
    assert answer.json() == {
        "request_id": request_id,
        "agent_id": "a1",
        "status": "processing",
    }
    assert "idempotent-replayed" not in answer.headers
    assert door.commands.sent == [
        {
            "agent_id": "a1",
            "request_id": request_id,
            "content": "hi \u2603",
            "timeout_ms": 1500,
            "policy": None,
            "target": Target(webhook_url=WEBHOOK["webhook_url"], webhook_secret="s3"),
            "delivery": None,
        }
    ]


async def test_an_interrupt_names_its_target(door: Door) -> None:
    """202 with status `interrupting`; `target` is the turn to end."""
    answer = await door.http.post(
        INTERRUPT, json={"target": "req_1", "request_id": "i1", **WEBHOOK}
    )
    assert (answer.status_code, answer.json()) == (
        202,
        {"request_id": "i1", "agent_id": "a1", "status": "interrupting"},
    )
    assert door.commands.sent[0]["turn"] == "req_1"


async def test_a_repeat_says_so_and_other_content_conflicts(door: Door) -> None:
    """The same id answers 202 with Idempotent-Replayed, or 409 for another content."""
    body = {"content": "hi", "request_id": "r-1", **WEBHOOK}
    assert (await door.http.post(MESSAGES, json=body)).status_code == 202
    again = await door.http.post(MESSAGES, json=body)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    other = await door.http.post(MESSAGES, json={**body, "content": "ho"})
    assert (other.status_code, other.json()["error"]) == (409, "conflict")


async def test_idempotency_key_is_the_request_id(door: Door) -> None:
    """The header alone names the turn; both may be given if they agree."""
    body = {"content": "hi", **WEBHOOK}
    key = {"Idempotency-Key": "key_1"}
    assert (await door.http.post(MESSAGES, json=body, headers=key)).json()["request_id"] == "key_1"
    both = await door.http.post(MESSAGES, json={**body, "request_id": "key_1"}, headers=key)
    assert both.headers["idempotent-replayed"] == "true"
    differ = await door.http.post(MESSAGES, json={**body, "request_id": "x"}, headers=key)
    assert differ.status_code == 400
    assert "Idempotency-Key" in differ.json()["message"]
    bad = await door.http.post(MESSAGES, json=body, headers={"Idempotency-Key": "a b"})
    assert bad.status_code == 400
    assert bad.json()["message"].startswith("Idempotency-Key: 1 to 128 letters")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"content": None}, "content: a text that is not empty is needed"),
        ({"content": ""}, "content: a text that is not empty is needed"),
        ({"webhook_url": None}, "webhook_url: "),
        ({"webhook_url": "ftp://x/y"}, "webhook_url: an http or https URL"),
        ({"webhook_url": "http://user:pw@x/"}, "webhook_url: credentials"),
        ({"webhook_secret": "whsec_###"}, "webhook_secret: "),
        ({"webhook_secret": "x" * 513}, "webhook_secret: a secret of at most 512"),
        ({"webhook_secret": "é" * 300}, "webhook_secret: at most 512 bytes"),
        ({"request_id": "a b"}, "request_id: 1 to 128 letters"),
        ({"request_id": "a\n"}, "request_id: 1 to 128 letters"),
        ({"request_id": "x" * 129}, "request_id: 1 to 128 letters"),
        ({"timeout_s": 0}, "timeout_s: Expected `float` > 0"),
        ({"timeout_s": "1"}, "timeout_s: Expected `float`, got `str`"),
        ({"timeout_s": 1e9}, "timeout_s: Expected `float` <= 86400"),
        ({"delivery": {"batch": {}}}, "delivery.batch.max_events is missing"),
        ({"delivery": {"batch": {**BATCH, "max_events": 65}}}, "delivery.batch.max_events: "),
        ({"delivery": {"batch": {**BATCH, "max_wait_ms": -1}}}, "delivery.batch.max_wait_ms: "),
        ({"delivery": {"batch": {**BATCH, "size": 1}}}, "unknown field `size`"),
        ({"delivery": {"coalesce_ms": 10_001}}, "delivery.coalesce_ms: "),
        ({"delivery": {"kinds": ["a b"]}}, "delivery.kinds[0]: an event kind such as"),
        ({"delivery": {"kinds": ["x"] * 33}}, "delivery.kinds: "),
        ({"delivery": {"kind": []}}, "delivery: Object contains unknown field `kind`"),
        ({"attachments": [{"filename": "a"}]}, "attachments[0].mime_type is missing"),
        ({"attachments": [{**FILE, "filename": "a/b"}]}, "attachments[0].filename: a file's name"),
        ({"attachments": [{**FILE, "mime_type": "png"}]}, "attachments[0].mime_type: a media"),
        ({"attachments": [{**FILE, "data": "!"}]}, "attachments[0].data: "),
        ({"attachments": [{**FILE, "url": "ftp://x"}]}, "attachments[0].url: an http or https"),
        ({"attachments": [FILE]}, "attachments[0]: data or url, one of them, is needed"),
        ({"attachments": [{**FILE, "data": "aGk=", "size": 2}]}, "unknown field `size`"),
    ],
)
async def test_a_wrong_message_names_the_field(
    door: Door, change: dict[str, Any], said: str
) -> None:
    """A 400 names the field and the right form, and nothing reaches the agent."""
    body = {"content": "hi", **WEBHOOK, **change}
    answer = await door.http.post(MESSAGES, json=body)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert not door.commands.sent


async def test_a_missing_field_is_named(door: Door) -> None:
    """What is needed and absent is said by name."""
    answer = await door.http.post(MESSAGES, json=WEBHOOK)
    assert (answer.status_code, answer.json()["message"]) == (400, "content is missing")


@pytest.mark.parametrize("path", [MESSAGES, INTERRUPT])
async def test_the_webhook_may_be_left_out(door: Door, path: str) -> None:
    """The command is accepted without a target: its events are only read back."""
    answer = await door.http.post(path, json={"content": "hi", "webhook_secret": ""})
    assert answer.status_code == 202, answer.text
    assert door.commands.sent[0]["target"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"webhook_secret": "s"}, "webhook_secret"),
        ({"delivery": {"batch": BATCH}}, "delivery.batch"),
    ],
)
async def test_what_needs_a_webhook_is_refused_without_one(
    door: Door, body: dict[str, Any], field: str
) -> None:
    """A secret or a batch with nowhere to go is a mistake, and said by name."""
    answer = await door.http.post(MESSAGES, json={"content": "hi", **body})
    assert (answer.status_code, answer.json()["message"].partition(":")[0]) == (400, field)
    assert not door.commands.sent


async def test_delivery_options_reach_whom_they_concern(door: Door) -> None:
    """Batches travel with the target, kinds and merging in clear; off when not asked for."""
    delivery = {"kinds": ["text", "tool.*"], "coalesce_ms": 250, "batch": BATCH}
    await door.http.post(MESSAGES, json={"content": "hi", **WEBHOOK, "delivery": delivery})
    await door.http.post(INTERRUPT, json={**WEBHOOK, "delivery": {"kinds": []}})
    message, interrupt = door.commands.sent
    assert message["target"] == Target(
        webhook_url=WEBHOOK["webhook_url"], batch=Batch(max_events=8, max_wait_ms=50)
    )
    assert message["delivery"] == Delivery(kinds=("text", "tool.*"), coalesce_ms=250)
    assert interrupt["delivery"] is None


async def test_secrets_are_in_no_answer(door: Door) -> None:
    """A refused body with a secret in it does not come back in the error."""
    body = {"content": "hi", "webhook_secret": "hush-hush", "webhook_url": "http://", "n": 1}
    answer = await door.http.post(MESSAGES, json=body)
    assert answer.status_code == 400
    assert "hush" not in answer.text


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Exhausted("the queue is full", retry_after_s=4), 429, "too_many_requests"),
        (Unavailable("it does not answer", retry_after_s=4), 503, "service_unavailable"),
    ],
)
async def test_come_back_later_says_when(
    door: Door, failure: Exception, status: int, code: str
) -> None:
    """429 and 503 carry Retry-After."""
    door.commands.failure = failure
    answer = await door.http.post(MESSAGES, json={"content": "hi", **WEBHOOK})
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.headers["retry-after"] == "4"


async def test_an_unknown_agent_is_404(door: Door) -> None:
    """No agent, no 202."""
    answer = await door.http.post(
        "/api/v1/agents/a2/messages?user_id=ada", json={"content": "hi", **WEBHOOK}
    )
    assert answer.status_code == 404


async def test_files_are_handed_on(door: Door) -> None:
    """Content is decoded, a URL left to be fetched."""
    files = [{**FILE, "data": "aGk="}, {**FILE, "url": "http://127.0.0.1:9/a"}]
    answer = await door.http.post(MESSAGES, json={"content": "look", "attachments": files})
    assert answer.status_code == 202, answer.text
    assert door.commands.sent[0]["files"] == (
        File(filename="a.txt", mime_type="text/plain", data=b"hi"),
        File(filename="a.txt", mime_type="text/plain", url="http://127.0.0.1:9/a"),
    )
