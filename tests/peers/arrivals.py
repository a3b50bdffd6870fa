"""What has arrived at a receiver: counted, timed, and looked at for order and one final."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec


class _Made(msgspec.Struct):
    """The part of an agent's own event that benchmarks put there: Unix ns when it was made."""

    t: int = 0


class Payload(msgspec.Struct):
    """What is read of one payload; the rest is never parsed."""

    agent_id: str
    request_id: str
    seq: int
    is_final: bool = False
    outcome: str = ""
    event: msgspec.Raw = msgspec.Raw()


class _Batch(msgspec.Struct):
    events: list[Payload]


_PAYLOAD = msgspec.json.Decoder(Payload)
_BATCH = msgspec.json.Decoder(_Batch)
_MADE = msgspec.json.Decoder(_Made)
_BATCH_BEGINS = b'{"events":['


def payloads(body: bytes) -> list[Payload]:
    """One, or those of a batch. Raises msgspec.DecodeError."""
    if body.startswith(_BATCH_BEGINS):
        return _BATCH.decode(body).events
    return [_PAYLOAD.decode(body)]


@dataclass(slots=True)
class _Request:
    seen: set[int] = field(default_factory=set)
    last_seq: int = 0
    duplicates: int = 0
    late: int = 0
    finals: int = 0


@dataclass(slots=True)
class Arrivals:
    """Owned by the receiver's loop. `late`: first arrivals that came after a higher seq."""

    requests: dict[str, _Request] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    total: int = 0
    posts: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    def add(self, body: bytes) -> None:
        now_ns = time.time_ns()
        self.posts += 1
        for payload in payloads(body):
            self._count(payload, now_ns)

    def _count(self, payload: Payload, now_ns: int) -> None:
        request = self.requests.setdefault(payload.request_id, _Request())
        if payload.seq in request.seen:
            request.duplicates += 1
        elif payload.seq < request.last_seq:
            request.late += 1
        request.seen.add(payload.seq)
        request.last_seq = max(request.last_seq, payload.seq)
        request.finals += payload.is_final
        self.total += 1
        self.last_s = now_ns / 1e9
        self.first_s = self.first_s or self.last_s
        if len(payload.event) and (made := _MADE.decode(payload.event).t):
            self.latencies_ms.append((now_ns - made) / 1e6)

    def stats(self) -> bytes:
        """JSON. `not_one_final`: requests with no final or with several arrivals of it."""
        requests = self.requests.values()
        seconds = self.last_s - self.first_s
        ordered = sorted(self.latencies_ms)
        told: dict[str, Any] = {
            "total": self.total,
            "posts": self.posts,
            "requests": len(requests),
            "finals": sum(request.finals for request in requests),
            "not_one_final": sum(request.finals != 1 for request in requests),
            "dup": sum(request.duplicates for request in requests),
            "out_of_order": sum(request.late for request in requests),
            "seconds": seconds,
            "per_s": self.total / seconds if seconds else 0.0,
        }
        return json.dumps({**told, **dict(_percentiles(ordered))}).encode()


def _percentiles(ordered: list[float]) -> Iterator[tuple[str, float]]:
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)):
        yield name, ordered[int(share * (len(ordered) - 1))] if ordered else 0.0
