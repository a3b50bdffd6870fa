"""What turns a row of the bench red, as its receiver counts it."""

from collections.abc import Sequence

import aiohttp
import pytest
from msgspec.json import encode

from tests.bench.stage import broken
from tests.peers.sink_process import sink, stats

_CONTENT = "events=2 size=0"


@pytest.mark.parametrize(
    ("arrived", "accepted", "told"),
    [
        (([1], [2], [3]), 1, []),
        (([1, 2, 3],), 1, []),
        (([1], [3]), 1, ["2 events instead of 3"]),
        (([1], [2]), 1, ["2 events instead of 3", "1 turns without one final"]),
        (([1, 2], [2, 3]), 1, ["4 events instead of 3", "1 came twice"]),
        (([2], [1], [3]), 1, ["1 out of order"]),
        (([1], [2], [3]), 0, ["0 of 1 accepted (503)"]),
    ],
    ids=["good", "good batch", "lost", "no final", "twice", "out of order", "refused"],
)
async def test_what_must_not_happen_is_told(
    arrived: Sequence[Sequence[int]], accepted: int, told: Sequence[str]
) -> None:
    """Lost, doubled, out of order or refused: in words, one by one or in batches."""
    async with sink() as receiver, aiohttp.ClientSession() as session:
        for seqs in arrived:
            payloads = [
                {"agent_id": "a", "request_id": "r", "seq": seq, "is_final": seq == 3}
                for seq in seqs
            ]
            body = encode(payloads[0] if len(payloads) == 1 else {"events": payloads})
            async with session.post(f"{receiver.base}/hook", data=body) as answer:
                assert answer.status == 200
        received = await stats(receiver.base)
    assert broken(received, _CONTENT, 1, accepted, "" if accepted else "503") == told
