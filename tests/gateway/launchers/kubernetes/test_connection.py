"""A gateway's calls: how many at once, and which way. No API server: only who answers them."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.launchers.kubernetes.connection import MAX_CALLS, Connection
from tests.peers.receiver import Receiver

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
contexts: [{{name: here, context: {{cluster: here, user: nobody}}}}]
current-context: here
users: [{{name: nobody, user: {{}}}}]
"""
KNOCK = b"knock\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@dataclass
class Busy:
    """Answers nobody until it is told to, but who only knocks."""

    calls: int = 0
    at_once: int = 0
    most_at_once: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if asked != KNOCK:
            await self._keep_waiting()
        writer.write(ANSWER)
        writer.close()

    async def _keep_waiting(self) -> None:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.at_once == MAX_CALLS:
            self.full.set()
        await self.go_on.wait()
        self.at_once -= 1


async def knock(port: int) -> None:
    """Who called before has arrived when this returns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(KNOCK)
    await reader.read()
    writer.close()


async def test_calls_at_once_are_bounded(tmp_path: Path) -> None:
    """Whatever a hundred agents want at the same moment, the API server is asked 32 things; the
    others wait for their turn."""
    busy = Busy()
    server = await asyncio.start_server(busy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(port=port))
    connection = Connection(kubeconfig)
    await connection.open()
    try:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            calls = [group.create_task(connection.call("GET", "/version")) for _ in range(100)]
            await busy.full.wait()
            for _ in range(3):
                await knock(port)
            busy.go_on.set()
    finally:
        await connection.close()
        server.close()
    assert [call.result() for call in calls] == [b"{}"] * 100
    assert (busy.calls, busy.most_at_once) == (100, MAX_CALLS)


async def test_a_proxy_of_the_environment_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would see every token; who wants one names it in the kubeconfig."""
    async with Receiver() as server, Receiver() as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(port=server.port))
        connection = Connection(kubeconfig)
        await connection.open()
        try:
            await connection.call("GET", "/version")
        finally:
            await connection.close()
    assert [hook.path for hook in server.hooks] == ["/version"]
    assert not proxy.hooks
