"""What a receiver writes down of each payload that it takes, one JSON line each."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.peers.arrivals import Payload

_BATCH_BEGINS = b'{"events":['


class Arrival(msgspec.Struct, frozen=True):
    """One payload that was answered with 2xx.

    Attributes:
        digest: of all its bytes.
        webhook_id: of the post that brought it, if it was the last one in it.
    """

    agent_id: str
    request_id: str
    seq: int
    is_final: bool
    outcome: str
    digest: str
    webhook_id: str


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


_BATCH = msgspec.json.Decoder(_Batch)
_PAYLOAD = msgspec.json.Decoder(Payload)
_ARRIVAL = msgspec.json.Decoder(Arrival)


def lines(body: bytes, webhook_id: str) -> bytes:
    """Of one post. Raises msgspec.DecodeError."""
    return b"".join(msgspec.json.encode(arrival) + b"\n" for arrival in _arrivals(body, webhook_id))


def read(path: Path) -> list[Arrival]:
    """In order of arrival."""
    return [_ARRIVAL.decode(line) for line in path.read_bytes().splitlines()]


def _arrivals(body: bytes, webhook_id: str) -> Iterator[Arrival]:
    batched = body.startswith(_BATCH_BEGINS)
    raws = [bytes(raw) for raw in _BATCH.decode(body).events] if batched else [body]
    for left, raw in enumerate(raws, 1 - len(raws)):
        payload = _PAYLOAD.decode(raw)
        yield Arrival(
            agent_id=payload.agent_id,
            request_id=payload.request_id,
            seq=payload.seq,
            is_final=payload.is_final,
            outcome=payload.outcome,
            digest=hashlib.sha256(raw).hexdigest(),
            webhook_id="" if left else webhook_id,
        )
