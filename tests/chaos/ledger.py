"""What the receiver took, judged."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.peers.ledger import Arrival


def finals(arrivals: Iterable[Arrival]) -> set[str]:
    """The turns whose final has come."""
    return {arrival.request_id for arrival in arrivals if arrival.is_final}


def outcomes(arrivals: Iterable[Arrival]) -> Counter[str]:
    ended = {arrival.request_id: arrival.outcome for arrival in arrivals if arrival.is_final}
    return Counter(ended.values())


def broken(arrivals: Sequence[Arrival], accepted: Mapping[str, str]) -> Iterator[str]:
    """Every promise that was broken, in words. `accepted`: the agent of each turn."""
    turns: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        turns[arrival.request_id].append(arrival)
    for stranger in turns.keys() - accepted.keys():
        yield f"{stranger}: delivered, but no gateway accepted it"
    for request_id in accepted:
        yield from _of_turn(request_id, turns[request_id])
    for agent_id in set(accepted.values()):
        yield from _of_agent(agent_id, arrivals)


def _of_turn(request_id: str, taken: Sequence[Arrival]) -> Iterator[str]:
    last = {arrival.seq for arrival in taken if arrival.is_final}
    if len(last) != 1:
        yield f"{request_id}: {len(last)} finals instead of one"
    seqs = list(dict.fromkeys(arrival.seq for arrival in taken))
    if seqs != sorted(seqs):
        yield f"{request_id}: first arrivals are not in order: {seqs}"
    if last and seqs and max(seqs) != max(last):
        yield f"{request_id}: event {max(seqs)} came after the final {max(last)}"
    for seq in seqs:
        if len({arrival.digest for arrival in taken if arrival.seq == seq}) > 1:
            yield f"{request_id}: event {seq} came with different content"
    for arrival in taken:
        if arrival.webhook_id not in ("", _id(arrival)):
            yield f"{request_id}: event {arrival.seq} came under {arrival.webhook_id}"


def _id(arrival: Arrival) -> str:
    what = f"{arrival.request_id}_final" if arrival.is_final else str(arrival.seq)
    return f"{arrival.agent_id}_{what}"


def _of_agent(agent_id: str, arrivals: Iterable[Arrival]) -> Iterator[str]:
    """Its turns have all seqs between them, each seq once."""
    owners: dict[int, set[str]] = defaultdict(set)
    for arrival in arrivals:
        if arrival.agent_id == agent_id:
            owners[arrival.seq].add(arrival.request_id)
    missing = set(range(1, max(owners, default=0) + 1)) - owners.keys()
    if missing:
        yield f"{agent_id}: events {sorted(missing)} never came"
    for seq, turns in owners.items():
        if len(turns) > 1:
            yield f"{agent_id}: event {seq} belongs to {sorted(turns)}"
