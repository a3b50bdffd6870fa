"""What `Notes` promises, whoever keeps them: run against the scripted peer and, in
`tests/cluster`, against the real notebook over a real API server."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from gateway.errors import Exhausted, NotFound, Unavailable
from gateway.launchers.notes import Claim, Decide, Edit, Note, Notes, PodNotes

AGENT = "noted-1"
CLAIM = Claim(
    holder="gw-1",
    renewed_ms=1_700_000_000_123,
    code="AGENT_LOST",
    message='the agent\'s pod is gone: \u00fcber \U0001f600 "quoted"\n',
    at_ms=1_700_000_000_456,
    attempts=3,
    first_failure_ms=1_700_000_000_001,
    not_before_ms=1_700_000_009_999,
    apart=True,
)


class World(Protocol):
    """One pod that runs, undrained and without notes; two gateways see it."""

    one: Notes
    other: Notes

    async def delete(self) -> None:
        """The pod begins to be deleted; it takes its time."""
        ...

    async def seen(self, notes: Notes, holds: Callable[[PodNotes | None], bool]) -> None:
        """Wait until that gateway sees it so, bounded."""
        ...


def note(name: str, size: int = 100, **facts: object) -> Note:
    plain = Note(request_id=name, kind="open", sealed=b"x" * size, arrived_ms=7)
    return replace(plain, **facts)  # type: ignore[arg-type]


def put(*notes: Note) -> Decide:
    return lambda _: Edit(put=notes)


def drop(*names: str) -> Decide:
    return lambda _: Edit(drop=names)


class NotesContract:
    """Subclasses have a fixture `world`."""

    async def test_what_is_written_is_read_by_everybody(self, world: World) -> None:
        """Field by field, and told of."""
        told: list[str] = []
        world.other.watch(told.append)
        waiting = note("w" * 128, kind="waiting", digest="ab" * 32)
        claimed = note("c-1", generation=4, claim=CLAIM)
        after = await world.one.edit(AGENT, put(waiting, claimed))
        assert after.notes == {waiting.request_id: waiting, "c-1": claimed}
        assert world.one.of(AGENT) == after  # its own change at once, not only by the watch
        await world.seen(world.other, lambda pod: pod is not None and pod.notes == after.notes)
        assert AGENT in told
        assert AGENT in world.other.noted()

    async def test_a_note_is_replaced_and_removed(self, world: World) -> None:
        """By its request id."""
        await world.one.edit(AGENT, put(note("a"), note("b")))
        newer = note("a", generation=2)
        after = await world.one.edit(AGENT, lambda _: Edit(put=[newer], drop=["b", "never"]))
        assert after.notes == {"a": newer}
        assert (await world.one.edit(AGENT, drop("a"))).notes == {}

    async def test_nothing_to_do_changes_nothing(self, world: World) -> None:
        """And says how it is."""
        before = await world.one.edit(AGENT, put(note("a")))
        assert await world.one.edit(AGENT, lambda _: None) == before

    async def test_changes_at_once_are_decided_on_each_other(self, world: World) -> None:
        """None is lost, whoever makes them."""

        async def add(gateway: Notes, number: int) -> None:
            def one_more(pod: PodNotes) -> Edit:
                return Edit(put=[note(f"n{number}", arrived_ms=len(pod.notes))])

            await gateway.edit(AGENT, one_more)

        gateways = (world.one, world.other)
        for start in range(0, 12, 4):
            numbers = range(start, start + 4)
            await asyncio.gather(*(add(gateways[number % 2], number) for number in numbers))
        after = await world.one.edit(AGENT, put())
        assert sorted(one.arrived_ms for one in after.notes.values()) == list(range(12))

    async def test_a_decision_on_an_old_state_is_made_again(self, world: World) -> None:
        """A claim that was seen by nobody is seen before it is acted on."""
        await world.one.edit(AGENT, put(note("a", claim=CLAIM)))
        seen: list[Claim | None] = []

        def claim_if_free(pod: PodNotes) -> Edit | None:
            found = pod.notes.get("a")
            seen.append(found.claim if found else None)
            return None if seen[-1] else Edit(put=[note("a", claim=replace(CLAIM, holder="gw-2"))])

        after = await world.other.edit(AGENT, claim_if_free)
        assert after.notes["a"].claim == CLAIM
        assert seen[-1] == CLAIM

    async def test_a_refusal_to_decide_ends_the_edit(self, world: World) -> None:
        """With what it raised; nothing changes."""

        def refuse(_: PodNotes) -> Edit:
            raise Unavailable("not now")

        with pytest.raises(Unavailable, match="not now"):
            await world.one.edit(AGENT, refuse)
        assert (await world.one.edit(AGENT, put())).notes == {}

    async def test_waiting_messages_have_64_kib(self, world: World) -> None:
        """Beyond: no room; what is there stays, and can be claimed and opened."""
        first = [note(f"w{number}", 20_000, kind="waiting") for number in range(3)]
        await world.one.edit(AGENT, put(*first))
        with pytest.raises(Exhausted):
            await world.one.edit(AGENT, put(note("w3", 20_000, kind="waiting")))
        claimed = [replace(one, claim=replace(CLAIM, message="m" * 3000)) for one in first]
        after = await world.one.edit(AGENT, put(*claimed))
        assert after.notes.keys() == {"w0", "w1", "w2"}
        await world.one.edit(AGENT, put(*(note(f"o{number}", 800) for number in range(100))))

    async def test_a_pod_has_256_kib(self, world: World) -> None:
        """All notes together; what is refused changes nothing, and what goes makes room."""
        await world.one.edit(AGENT, put(*(note(f"o{number}", 1200) for number in range(160))))
        many = [note(f"p{number}", 1200) for number in range(60)]
        with pytest.raises(Exhausted):
            await world.one.edit(AGENT, put(*many))
        after = await world.one.edit(AGENT, drop(*(f"o{number}" for number in range(60))))
        assert len(after.notes) == 100
        assert len((await world.one.edit(AGENT, put(*many))).notes) == 160

    async def test_drained_once_is_drained_for_this_pod(self, world: World) -> None:
        """And then it is noted only while it carries notes."""
        assert AGENT in world.one.noted()
        before = world.one.of(AGENT)
        assert before is not None
        assert not before.drained
        after = await world.one.edit(AGENT, lambda _: Edit(drained=True))
        assert after.drained
        assert AGENT not in world.one.noted()
        assert (await world.one.edit(AGENT, put(note("a")))).drained
        assert AGENT in world.one.noted()

    async def test_no_pod_is_told(self, world: World) -> None:
        """Of an agent that never was."""
        assert world.one.of("nobody") is None
        with pytest.raises(NotFound):
            await world.one.edit("nobody", put(note("a")))

    async def test_notes_hold_a_pod_that_is_deleted(self, world: World) -> None:
        """It can be edited until the last one goes, and vanishes with it."""
        await world.one.edit(AGENT, put(note("a"), note("b")))
        await world.delete()
        await world.seen(world.other, lambda pod: pod is not None and pod.fate != "living")
        after = await world.other.edit(AGENT, lambda _: Edit(put=[note("c")], drop=["a"]))
        assert after.notes.keys() == {"b", "c"}
        await world.seen(world.other, lambda pod: pod is not None and pod.fate == "lost")
        told: list[str] = []
        world.one.watch(told.append)
        await world.other.edit(AGENT, drop("b", "c"))
        await world.seen(world.one, lambda pod: pod is None)
        assert AGENT in told
        with pytest.raises(NotFound):
            await world.one.edit(AGENT, put(note("d")))

    async def test_a_pod_that_is_deleted_without_notes_takes_none(self, world: World) -> None:
        """It would vanish with them."""
        await world.delete()
        await world.seen(world.one, lambda pod: pod is None or pod.fate == "ending")
        with pytest.raises(Unavailable):
            await world.other.edit(AGENT, put(note("a")))
        await world.seen(world.one, lambda pod: pod is None)
        with pytest.raises(NotFound):
            await world.one.edit(AGENT, put(note("a")))
