"""A receiver that takes nothing, all the way back to the caller, and forward again."""

import asyncio
from pathlib import Path

import httpx

from tests.peers.gateway import Client, House
from tests.peers.receiver import Receiver, Reply

MIB = 1024 * 1024
LINES = 600
SAYS_MUCH = f"""
line=$(head -c {MIB} /dev/zero | tr '\\0' x)
for n in $(seq {LINES}); do echo "$line"; echo $n > said; done
"""


async def test_a_slow_receiver_holds_the_cli_up_and_the_caller_is_told(
    place: House, client: Client, receiver: Receiver
) -> None:
    """The window is full, then the journal, then the CLI's output is not read, then a message is
    429 with Retry-After; other agents notice nothing. Once the receiver answers all goes on."""
    gate = asyncio.Event()
    receiver.default = lambda _: Reply(gate=gate)
    agent, other = await client.create(), await client.create()
    sent = await client.send(agent, SAYS_MUCH, receiver.url, request_id="much")
    assert sent.status_code == 202
    async with asyncio.timeout(40):
        full = await answered(client, agent, "journal is full")
    assert (full.status_code, full.json()["error"]) == (429, "too_many_requests")
    assert int(full.headers["retry-after"]) > 0
    assert len(receiver.hooks) == 1
    (said,) = place.state.glob(f"agents/{agent}/workspace/said")
    up_to = int(said.read_text())
    assert up_to < 300
    assert 200 * MIB < on_disk(place, agent) < 300 * MIB
    async with Receiver() as quick:
        await client.send(other, "echo hello", quick.url)
        await quick.wait(2)
    assert int(said.read_text()) <= up_to + 1  # what it had begun to write
    gate.set()
    async with asyncio.timeout(40):
        await answered(client, agent, "processing")
        while int(said.read_text() or 0) <= up_to + 1:
            await asyncio.sleep(0.02)


async def answered(client: Client, agent: str, words: str) -> httpx.Response:
    """The answer to a message, once it has these words."""
    while True:
        answer = await client.http.post(
            f"/api/v1/agents/{agent}/messages",
            params={"user_id": client.user},
            json={"content": "true"},
        )
        if words in answer.text:
            return answer
        assert answer.status_code in (202, 429), answer.text
        await asyncio.sleep(0.05)


def on_disk(place: House, agent: str) -> int:
    journal: Path = place.state / "agents" / agent / "journal.db"
    return journal.stat().st_size
