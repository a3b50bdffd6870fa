"""The receiver: what it answers, keeps and refuses."""

import asyncio
import json

import httpx
import pytest

from gateway.cli.errors import Silence, Trouble
from gateway.cli.receiver import Receiver, receiving
from tests.gateway.cli.scripted_gateway import Payload, signed

EVENT: Payload = {"event_type": "agent.event", "agent_id": "a", "request_id": "r", "seq": 1}
SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtMDE="


async def post(receiver: Receiver, body: bytes, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.post(receiver.url, content=body, headers=headers)).status_code


async def test_keeps_the_first_of_an_id() -> None:
    """A delivery that comes twice is answered twice and handed on once."""
    async with receiving(secret=SECRET) as receiver:
        body, headers = signed(EVENT, SECRET, "a_1")
        assert await post(receiver, body, headers) == 200
        assert await post(receiver, body, headers) == 200
        assert (await receiver.next(timeout_s=5)).body == body
        with pytest.raises(Silence):
            await receiver.next(timeout_s=0.05)


async def test_takes_batches_apart() -> None:
    """Events of a batch are handed on one by one, each once however batches are cut."""
    async with receiving(secret=SECRET) as receiver:
        events = [EVENT | {"seq": seq} for seq in (1, 2, 3)]
        for cut in (events[:2], events):
            body, headers = signed({"events": cut}, SECRET, f"a_{len(cut)}")
            assert await post(receiver, body, headers) == 200
        arrived = [await receiver.next(timeout_s=5) for _ in events]
        assert [json.loads(arrival.body) for arrival in arrived] == events
        with pytest.raises(Silence):
            await receiver.next(timeout_s=0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": "v1,*"},
        {"webhook-signature": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": ""},
        {"webhook-id": "b_1"},
    ],
)
async def test_refuses_what_is_not_signed(wrong: dict[str, str]) -> None:
    """No header, however broken, makes it accept or fail."""
    async with receiving(secret=SECRET) as receiver:
        body, headers = signed(EVENT, SECRET, "a_1")
        assert await post(receiver, body, headers | wrong) == 401
        arrival = await receiver.next(timeout_s=5)
        assert arrival.event is None
        assert arrival.refusal


async def test_refuses_bodies_that_are_no_events() -> None:
    """Signed or not, what is no event is not handed on as one."""
    async with receiving(secret=SECRET) as receiver:
        body, headers = signed({"events": []}, SECRET, "a_1")
        assert await post(receiver, body, headers) == 400
        assert await post(receiver, b"\xff", headers) == 401
        large = b" " * (16 * 1024 * 1024 + 1)
        assert await post(receiver, large, headers) == 413
        refusals = [(await receiver.next(timeout_s=5)).refusal for _ in range(3)]
        assert "no event" in refusals[0]
        assert "over" in refusals[2]


async def test_plain_secret_is_its_own_bytes() -> None:
    """A secret without whsec_ verifies what the gateway signs with its bytes."""
    async with receiving(secret="plain") as receiver:
        body, headers = signed(EVENT, "whsec_cGxhaW4=", "a_1")
        assert await post(receiver, body, headers) == 200


async def test_slow_reader_holds_answers_back() -> None:
    """Nothing piles up in memory: past the bound, answers wait for the reader."""
    async with receiving(secret=SECRET) as receiver:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=30) as client:

            async def deliver(number: int) -> int:
                body, headers = signed(EVENT | {"seq": number}, SECRET, f"a_{number}")
                return (await client.post(receiver.url, content=body, headers=headers)).status_code

            for number in range(256):
                assert await deliver(number) == 200
            late = asyncio.create_task(deliver(256))
            done, _ = await asyncio.wait({late}, timeout=0.3)
            assert not done
            seqs = [json.loads((await receiver.next(timeout_s=5)).body)["seq"] for _ in range(257)]
            assert seqs == list(range(257))
            assert await late == 200


@pytest.mark.parametrize("secret", ["whsec_!", "whsec_"])
async def test_unusable_secret_is_refused(secret: str) -> None:
    """A secret that could verify nothing is said to be wrong before anything listens."""
    with pytest.raises(Trouble, match="base64"):
        async with receiving(secret=secret):
            pass
