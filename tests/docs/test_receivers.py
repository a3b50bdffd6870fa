"""The receivers that the docs show, against real webhooks of a real gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from tests.docs.receivers import ShownReceiver, command, shown_receiver
from tests.e2e.story import SECRET, turn
from tests.peers.gateway import Client
from tests.peers.receiver import Hook, Receiver

OTHER_SECRET = "whsec_YW5vdGhlciBzZWNyZXQ="
SENT = ("content-type", "webhook-id", "webhook-timestamp", "webhook-signature")


@pytest.fixture(params=["python", "javascript"])
async def shown(request: pytest.FixtureRequest) -> AsyncIterator[ShownReceiver]:
    argv = command(request.param)
    if argv is None:
        pytest.skip("no node")
    async with shown_receiver(argv, SECRET) as made:
        yield made


@pytest.fixture
async def poster() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as made:
        yield made


async def hooks_of(client: Client, receiver: Receiver, content: str, secret: str) -> list[Hook]:
    """What a real gateway posts for one turn."""
    agent = await client.create()
    answer = await client.send(agent, content, receiver.url, webhook_secret=secret)
    return await turn(receiver, answer.json()["request_id"])


async def post(
    poster: httpx.AsyncClient,
    shown: ShownReceiver,
    hook: Hook,
    *,
    body: bytes = b"",
    **changed: str,
) -> int:
    """Post a webhook as it came, or changed; the status."""
    headers = {name: hook.headers[name] for name in SENT}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    answer = await poster.post(shown.url, content=body or hook.body, headers=headers)
    return answer.status_code


async def test_a_turn_of_a_gateway_is_shown(client: Client, shown: ShownReceiver) -> None:
    """Every event of a turn is verified and shown, in order, to the final."""
    agent = await client.create()
    answer = await client.send(
        agent, "echo grüße; echo zwei; exit 3", shown.url, webhook_secret=SECRET
    )
    request_id = answer.json()["request_id"]
    await shown.until_shown(" failed ")
    assert shown.lines == [
        f'{request_id} 1 text.delta "grüße\\n"',
        f'{request_id} 2 text.delta "zwei\\n"',
        f'{request_id} 3 failed "the command exited with code 3"',
    ]


async def test_a_repeat_is_shown_once(
    client: Client, receiver: Receiver, shown: ShownReceiver, poster: httpx.AsyncClient
) -> None:
    """A webhook that comes again is answered 2xx and does nothing more."""
    hooks = await hooks_of(client, receiver, "echo once", SECRET)
    for hook in [*hooks, *hooks]:
        assert await post(poster, shown, hook) == 204
    await shown.until_shown("completed")
    assert len(shown.lines) == len(hooks) == 2


async def test_a_batch_is_shown_event_by_event(
    client: Client, receiver: Receiver, shown: ShownReceiver, poster: httpx.AsyncClient
) -> None:
    """Each event of a batch is shown once, however the batches are cut when they come again."""
    batch = {"max_events": 64, "max_wait_ms": 20_000}
    agent = await client.create()
    answer = await client.send(
        agent, "echo one; echo two", receiver.url, webhook_secret=SECRET, delivery={"batch": batch}
    )
    await receiver.wait(1)
    whole = receiver.hooks[0]
    events = whole.json()["events"]
    part = json.dumps({"events": events[:2]}).encode()
    signature = Webhook(SECRET).sign("cut-otherwise", datetime.now(UTC), part.decode())
    headers = {
        "webhook-id": "cut-otherwise",
        "webhook-timestamp": str(int(datetime.now(UTC).timestamp())),
        "webhook-signature": signature,
    }
    earlier = await poster.post(shown.url, content=part, headers=headers)
    assert earlier.status_code == 204
    for _ in range(2):
        assert await post(poster, shown, whole) == 204
    await shown.until_shown("completed")
    request_id = answer.json()["request_id"]
    assert shown.lines == [
        f'{request_id} 1 text.delta "one\\n"',
        f'{request_id} 2 text.delta "two\\n"',
        f'{request_id} 3 completed ""',
    ]


async def test_what_was_not_signed_so_is_refused(
    client: Client, receiver: Receiver, shown: ShownReceiver, poster: httpx.AsyncClient
) -> None:
    """An edited body, id, time or signature, a missing or broken header: 401, and nothing shown."""
    hook = (await hooks_of(client, receiver, "echo true", SECRET))[0]
    earlier = str(int(hook.headers["webhook-timestamp"]) - 1)
    signature = hook.headers["webhook-signature"]
    refused = [
        await post(poster, shown, hook, body=hook.body.replace(b"true", b"fake")),
        await post(poster, shown, hook, body=hook.body + b" "),
        await post(poster, shown, hook, webhook_id=hook.id + "0"),
        await post(poster, shown, hook, webhook_timestamp=earlier),
        await post(poster, shown, hook, webhook_timestamp="soon"),
        await post(poster, shown, hook, webhook_signature=signature.replace("v1,", "v2,")),
        await post(poster, shown, hook, webhook_signature="v1,AAAA"),
        await post(poster, shown, hook, webhook_signature="nonsense"),
        await post(poster, shown, hook, webhook_signature=""),
    ]
    assert refused == [401] * 9
    assert shown.lines == []
    assert await post(poster, shown, hook, webhook_signature=f"v1,AAAA {signature}") == 204


async def test_another_secret_is_refused(
    client: Client, receiver: Receiver, shown: ShownReceiver, poster: httpx.AsyncClient
) -> None:
    """What another secret signed, or none, is not ours."""
    hook = (await hooks_of(client, receiver, "echo hi", OTHER_SECRET))[0]
    assert await post(poster, shown, hook) == 401
    assert "webhook-signature" in hook.headers
    unsigned = (await hooks_of(client, receiver, "echo hi", ""))[0]
    answer = await poster.post(shown.url, content=unsigned.body, headers=dict(unsigned.headers))
    assert answer.status_code == 401
    assert shown.lines == []


@pytest.mark.parametrize("off", [timedelta(minutes=-6), timedelta(minutes=6)])
async def test_other_times_are_refused(
    client: Client,
    receiver: Receiver,
    shown: ShownReceiver,
    poster: httpx.AsyncClient,
    off: timedelta,
) -> None:
    """A webhook kept and sent again later is refused, well signed as it is."""
    hook = (await hooks_of(client, receiver, "echo hi", SECRET))[0]
    then = datetime.now(UTC) + off
    signature = Webhook(SECRET).sign(hook.id, then, hook.body.decode())
    status = await post(
        poster,
        shown,
        hook,
        webhook_timestamp=str(int(then.timestamp())),
        webhook_signature=signature,
    )
    assert status == 401
    assert shown.lines == []


async def test_a_body_that_is_too_large_is_refused(shown: ShownReceiver) -> None:
    """Nobody can fill the receiver's memory: it answers as soon as it is told the length."""
    where = httpx.URL(shown.url)
    reader, writer = await asyncio.open_connection(where.host, where.port)
    try:
        writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 16777217\r\n\r\n")
        async with asyncio.timeout(10):
            status_line = await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()
    assert status_line.split()[1] == b"413"
