"""Where webhooks may not go, on the wire: whoever is refused is never connected to."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.attempt import Poster
from gateway.delivery.guard import LOOPBACK, SETTING, AddressRefused, Guard
from gateway.delivery.payload import Post
from gateway.errors import BadRequest
from gateway.model import Target
from tests.gateway.delivery.conftest import Posting
from tests.peers.dns import name_server
from tests.peers.receiver import Receiver

STRICT = Guard((), own_port=lambda: 0)
LOCAL = Guard(LOOPBACK, own_port=lambda: 0)


async def attempt(poster: Poster, url: str) -> Answer:
    return await poster.attempt(poster.destination(Target(webhook_url=url)), Post("a_1", b"{}"))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192"),
        *("168.63.129.16", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
        *("::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    ],
)
def test_fault_24_what_is_not_public_is_refused(address: str) -> None:
    """Loopback, private, link-local, CGNAT, multicast, metadata, unspecified: none of them can
    be reached through the gateway, and the refusal names the setting that allows it."""
    with pytest.raises(AddressRefused, match=SETTING):
        STRICT.check(address, 443)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(BadRequest, match=f"webhook_url.*{SETTING}"):
        STRICT.admit(f"http://{host}/hook")


@pytest.mark.parametrize(
    "address",
    [
        *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::", "2002:c0a8:101::1"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::1", "::ffff:0:127.0.0.1"),
    ],
)
def test_fault_25_forms_of_ipv6_that_lead_elsewhere(address: str) -> None:
    """Mapped, compatible, NAT64, 6to4, Teredo: no way around through another family."""
    for guard in (STRICT, Guard([ipaddress.ip_network("192.0.2.0/24")], own_port=lambda: 0)):
        with pytest.raises(AddressRefused):
            guard.check(address, 80)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    """Also through NAT64, the only way to an IPv4 receiver from some clusters."""
    STRICT.check(address, 443)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "127.1", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.0.0.01", "127.0.0.1."],
)
async def test_fault_26_unusual_forms_of_an_address(
    receiver: Receiver, posting: Posting, host: str
) -> None:
    """What a system reads as an address and a person does not is refused as such, also where
    the address itself is allowed."""
    with pytest.raises(BadRequest, match="webhook_url"):
        LOCAL.admit(f"http://{host}/")
    async with posting() as poster:
        answer = await attempt(poster, f"http://{host}:{receiver.port}/")
    assert answer.verdict is Verdict.RETRY
    assert not receiver.connections


async def test_fault_27_a_name_that_changes_its_answer(
    receiver: Receiver, posting: Posting
) -> None:
    """What was checked is what is connected to: the first answer is allowed and used, the next
    one leads elsewhere and is refused; nothing is asked twice for one connection."""
    asked = []

    def rebinding(times: int) -> list[str]:
        asked.append(times)
        return ["127.0.0.1"] if not times else ["127.0.0.2"]

    allowed = [ipaddress.ip_network("127.0.0.1/32")]
    async with name_server({"rebind.example": rebinding}) as port:
        url = f"http://rebind.example:{receiver.port}/"
        async with posting(name_server=port, allowed=allowed) as poster:
            assert (await attempt(poster, url)).verdict is Verdict.DELIVERED
            assert asked.count(1) == 0
        async with posting(name_server=port, allowed=allowed) as poster:
            answer = await attempt(poster, url)
    assert answer.verdict is Verdict.RETRY
    assert SETTING in answer.error
    assert len(receiver.hooks) == receiver.connections == 1


@pytest.mark.parametrize(
    "answers", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "fd00::1"]]
)
async def test_fault_28_a_mixed_answer_is_refused(
    receiver: Receiver, posting: Posting, answers: list[str]
) -> None:
    """One allowed address does not carry a refused one in, whichever comes first."""
    async with (
        name_server({"mixed.example": answers}) as port,
        posting(name_server=port) as poster,
    ):
        answer = await attempt(poster, f"http://mixed.example:{receiver.port}/")
    assert answer == Answer(Verdict.RETRY, error=answer.error)
    assert SETTING in answer.error
    assert not receiver.connections


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "127.0.0.2", "own.example"])
async def test_fault_29_the_gateways_own_address(
    receiver: Receiver, posting: Posting, host: str
) -> None:
    """A webhook cannot call the API that sent it, by whatever name; the same port of another
    machine is none of ours."""
    async with (
        name_server({"own.example": ["127.0.0.1"]}) as port,
        posting(name_server=port, own_port=receiver.port) as poster,
    ):
        answer = await attempt(poster, f"http://{host}:{receiver.port}/api")
    assert answer.error == "this is the gateway's own address"
    assert not receiver.connections
    Guard((), own_port=lambda: 443).check("1.1.1.1", 443)


async def test_a_refused_literal_is_never_connected_to(
    receiver: Receiver, posting: Posting
) -> None:
    """Also for a ticket that was sealed when the address was still allowed. It is retried: the
    setting may change; and it is no failure of the host."""
    async with posting(allowed=()) as poster:
        for _ in range(7):
            answer = await attempt(poster, receiver.url)
            assert answer == Answer(Verdict.RETRY, error=answer.error)
            assert SETTING in answer.error
    assert not receiver.connections


async def test_every_connection_is_checked_where_it_is_made(
    receiver: Receiver, posting: Posting
) -> None:
    """The last line: an address that no resolver and no ticket check has seen."""
    async with posting(allowed=()) as poster:
        destination = poster.destination(Target(webhook_url=receiver.url))
        unchecked = type(destination)(
            destination.url, destination.origin, destination.signer, destination.extra
        )
        answer = await poster.attempt(unchecked, Post("a_1", b"{}"))
    assert SETTING in answer.error
    assert not receiver.connections


async def test_a_setting_allows_networks(receiver: Receiver, posting: Posting) -> None:
    """The networks that are named, and no others."""
    async with posting(allowed=[ipaddress.ip_network("127.0.0.0/30")]) as poster:
        assert (await attempt(poster, receiver.url)).verdict is Verdict.DELIVERED
        refused = await attempt(poster, f"http://127.0.0.9:{receiver.port}/")
    assert SETTING in refused.error


@given(st.ip_addresses())
def test_no_address_is_read_in_two_ways(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Whatever is allowed is public by the language's own table too, in the IPv4 it leads to."""
    try:
        STRICT.check(str(address), 443)
    except AddressRefused:
        return
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        assert (inner or address).is_global
    else:
        assert address.is_global


async def test_through_a_proxy_literals_are_still_refused(
    receiver: Receiver, posting: Posting
) -> None:
    """The proxy connects and resolves; it is allowed to have a private address, receivers are
    not, as far as the URL tells."""
    async with posting(allowed=(), proxy=f"http://127.0.0.1:{receiver.port}") as poster:
        refused = await attempt(poster, "http://10.0.0.1/hook")
        assert SETTING in refused.error
        passed = await attempt(poster, "http://receiver.example/hook")
    assert passed.verdict is Verdict.DELIVERED
    [hook] = receiver.hooks
    assert hook.path == "http://receiver.example/hook"


async def test_a_proxy_that_fails_is_no_failure_of_the_host(
    receiver: Receiver, posting: Posting
) -> None:
    """A proxy that is down or wants a password closes no host, and loses no event."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        async with posting(proxy=f"http://127.0.0.1:{taken.getsockname()[1]}") as poster:
            answer = await attempt(poster, "http://receiver.example/")
    assert answer == Answer(Verdict.RETRY, error="the proxy cannot be reached")


def test_names_pass_until_they_are_resolved() -> None:
    """A name says nothing about an address."""
    for name in ("localhost", "metadata.google.internal", "example.test", "1e100.example"):
        STRICT.check_literal(URL(f"http://{name}/"))
