"""The budget of bytes, and what each host may have of it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.relay.held import HeldBytes, Share

LIMIT_BYTES = 60_000


def fill(share: Share, size_bytes: int, *, first: bool) -> int:
    """Take until there is no room; how much was taken."""
    taken_bytes = 0
    while share.take(size_bytes, first=first):
        taken_bytes += size_bytes
    return taken_bytes


def test_one_host_leaves_as_much_as_it_takes() -> None:
    """A host that hangs, whatever is sent there, has half of the budget at most."""
    held = HeldBytes(LIMIT_BYTES)
    hanging, other = held.share("a"), held.share("b")
    assert fill(hanging, 100, first=True) == LIMIT_BYTES / 2
    assert fill(other, 100, first=True) == LIMIT_BYTES / 4


def test_windows_leave_room_for_first_events_at_the_same_host() -> None:
    """Turns with full windows do not keep another turn there from having one event."""
    held = HeldBytes(LIMIT_BYTES)
    share = held.share("a")
    assert fill(share, 100, first=False) == LIMIT_BYTES / 3
    assert fill(share, 100, first=True) == LIMIT_BYTES / 2 - LIMIT_BYTES / 3


def test_a_lone_event_always_fits() -> None:
    """However large it is: nothing waits that nobody could ever deliver."""
    held = HeldBytes(LIMIT_BYTES)
    share = held.share("a")
    assert share.take(2 * LIMIT_BYTES, first=True)
    assert not held.share("b").take(1, first=True)
    share.give(2 * LIMIT_BYTES)
    assert held.share("b").take(1, first=True)


def test_what_is_given_back_is_free_for_anybody() -> None:
    """Also when all turns of a host have gone meanwhile, and others have come."""
    held = HeldBytes(LIMIT_BYTES)
    share = held.share("a")
    taken_bytes = fill(share, 100, first=True)
    assert held.share("a") is share
    share.give(taken_bytes)
    del share
    assert held.held_bytes == 0
    assert fill(held.share("a"), 100, first=True) == taken_bytes


@given(
    takes=st.lists(
        st.tuples(st.integers(0, 9), st.integers(10, LIMIT_BYTES // 4), st.booleans()), max_size=200
    )
)
def test_however_many_hosts_hang_one_more_finds_room(takes: list[tuple[int, int, bool]]) -> None:
    """What is free is never less than what was taken last, whoever took it."""
    held = HeldBytes(LIMIT_BYTES)
    shares = [held.share(str(number)) for number in range(10)]
    for number, size_bytes, first in takes:
        shares[number].take(size_bytes, first=first)
    free_bytes = LIMIT_BYTES - held.held_bytes
    assert free_bytes >= 10
    assert held.share("newcomer").take(free_bytes // 2, first=True)
