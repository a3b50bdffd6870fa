"""The address guard: where webhooks may not go.

Whoever may send a message may name any URL, so without it the gateway would be
everybody's way into the network around it. Checked are the numbers a connection
is made to, never names: what a name meant a moment ago says nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from yarl import URL

from gateway.errors import BadRequest

SETTING = "FORGE_WEBHOOK_ALLOW_NETWORKS"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            # IANA's special-purpose registries, multicast and what is reserved.
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
            "168.63.129.16/32",  # a cloud's metadata, on an address that looks public
            "2001::/23",  # Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    )
)
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(OSError):
    """A connection that is not made. An OSError, so that connectors pass it on."""


class Guard:
    """Knows which networks are allowed. `own_port`: where the gateway listens, 0: not yet."""

    def __init__(self, allowed: Iterable[Network], *, own_port: Callable[[], int]) -> None:
        self._allowed = tuple(allowed)
        self._own_port = own_port

    def check(self, host: str, port: int) -> None:
        """Refuse an address, given as a connection takes it: numbers.

        Raises:
            AddressRefused: in words that name what would allow it.
        """
        address = _unwrapped(ipaddress.ip_address(host))
        if not self._permits(address):
            raise AddressRefused(
                f"the address {host} is not public; {SETTING} can allow its network"
            )
        if port == self._own_port() and _is_of_this_machine(address):
            raise AddressRefused("this is the gateway's own address")

    def check_literal(self, url: URL) -> None:
        """The same for a URL whose host is an address already; names pass.

        Raises:
            AddressRefused: likewise, or it is written in none of the usual forms.
        """
        host, port = url.host or "", url.port or 0
        if _is_unusual(host):
            raise AddressRefused(f"{host} is an address in an unusual form; write it as a.b.c.d")
        if _is_address(host):
            self.check(host, port)

    def admit(self, webhook_url: str) -> None:
        """Refuse a URL that could never be delivered to while it is still the caller's.

        Raises:
            BadRequest: its host is an address that is refused.
        """
        try:
            self.check_literal(URL(webhook_url))
        except AddressRefused as refused:
            raise BadRequest(f"webhook_url: {refused}") from refused

    def _permits(self, address: Address) -> bool:
        if any(address in network for network in self._allowed):
            return True
        if address.version == 6 and address not in _PUBLIC_IPV6:
            return False
        return not any(address in network for network in _NOT_PUBLIC)


def _unwrapped(address: Address) -> Address:
    """What is reached in the end: the IPv4 address in a mapped or NAT64 one."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_of_this_machine(address: Address) -> bool:
    """Only an address of this machine can be bound to."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_unusual(host: str) -> bool:
    """127.1, 0x7f.1, 2130706433, 0177.0.0.1: systems read them as IPv4, people do not."""
    try:
        socket.inet_aton(host.rstrip("."))
    except (OSError, UnicodeEncodeError):
        return False
    return not _is_address(host)
