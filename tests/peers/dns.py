"""A name server on UDP: answers with the addresses it was given, NXDOMAIN, or never."""

import asyncio
import ipaddress
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal, cast

Addresses = Sequence[str]
Answer = Addresses | Literal["nxdomain", "hang"] | Callable[[int], Addresses]
"""A function is given how often the name was asked for before."""

_NXDOMAIN = 3
_A = 1
_AAAA = 28


@asynccontextmanager
async def name_server(answers: Mapping[str, Answer]) -> AsyncIterator[int]:
    """Serves until the block ends; yields the port. Names that are not given: NXDOMAIN."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Server(answers), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


class _Server(asyncio.DatagramProtocol):
    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self._asked: Counter[tuple[str, int]] = Counter()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        name, kind, end = _question(data)
        answer = self._answers.get(name, "nxdomain")
        if answer == "hang" or self._transport is None:
            return
        records: list[bytes] = []
        if not isinstance(answer, str):
            asked = self._asked[name, kind]
            self._asked[name, kind] += 1
            addresses = answer(asked) if callable(answer) else answer
            records = [record for address in addresses if (record := _record(address, kind))]
        flags = 0x8180 | (_NXDOMAIN if answer == "nxdomain" else 0)
        header = data[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        self._transport.sendto(header + data[12:end] + b"".join(records), addr)


def _record(address: str, kind: int) -> bytes:
    """One answer that points back to the question; nothing for the other kind of address."""
    packed = ipaddress.ip_address(address).packed
    if kind != (_A if len(packed) == 4 else _AAAA):
        return b""
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed


def _question(data: bytes) -> tuple[str, int, int]:
    """(name, type, where the question ends)"""
    labels, at = [], 12
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    kind: int = struct.unpack(">H", data[at + 1 : at + 3])[0]
    return ".".join(labels).lower(), kind, at + 5
