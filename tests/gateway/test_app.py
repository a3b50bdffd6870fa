"""The gateway as a whole: started, stopped, and asked to stop by signals. Real processes."""

import asyncio
import json
import os
import re
import resource
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway import rotation
from gateway.app import allowed_networks, api_keys, gateway_keys, running
from gateway.delivery.guard import LOOPBACK
from gateway.descriptors import ENOUGH
from gateway.errors import SettingsError, StartFailed
from gateway.http.apikeys import new_key
from gateway.settings import Settings
from gateway.variables import Networks
from tests.gateway.http.wire import RawAnswer, read_answer

SERVE = """
import sys
import uvloop
from gateway.app import serve
from gateway.errors import GatewayError
from gateway.settings import Settings

import os
try:
    uvloop.run(serve(Settings.from_env(os.environ), lambda gateway: print(gateway.url, flush=True)))
except GatewayError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    """Short, as sockets need it."""
    with tempfile.TemporaryDirectory(prefix="fg-") as folder:
        yield Path(folder) / "r"


@pytest.fixture
def settings(tmp_path: Path, runtime_dir: Path) -> Settings:
    return Settings(port=0, state_dir=tmp_path / "state", runtime_dir=runtime_dir)


async def test_it_serves_between_start_and_stop(settings: Settings) -> None:
    """PORT=0 tells its URL, it is ready, and afterwards nothing listens there."""
    async with running(settings) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            assert (await http.get("/readyz")).json() == {"status": "ready"}
            assert (await http.get("/api/v1/agents")).json() == {"agents": [], "total": 0}
        port = httpx.URL(gateway.url).port
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_it_can_be_started_again(settings: Settings) -> None:
    """Nothing is left over in the process or the folders that would hinder the next one."""
    for _ in range(2):
        async with running(settings) as gateway:
            assert gateway.url.startswith("http://127.0.0.1:")


async def test_two_gateways_share_a_state_folder(settings: Settings) -> None:
    """One does not lock the other out."""
    async with running(settings) as one, running(settings) as two:
        assert one.url != two.url


async def test_a_start_that_fails_leaves_nothing(settings: Settings) -> None:
    """A taken port is one sentence, and what had been started is stopped again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = Settings(port=port, state_dir=settings.state_dir, runtime_dir=settings.runtime_dir)
        with pytest.raises(SettingsError, match="is in use"):
            async with running(busy):
                pass
    assert not [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    async with running(settings):
        pass


async def test_a_hostile_runtime_folder_stops_the_start(settings: Settings) -> None:
    """A launcher that cannot work is told at start, not at the first message."""
    settings.runtime_dir.parent.mkdir(exist_ok=True)
    settings.runtime_dir.write_text("in the way")
    with pytest.raises(StartFailed):
        async with running(settings):
            pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_without_keys_only_loopback(host: str) -> None:
    """An open address without keys is refused, saying what to do; FORGE_AUTH=off allows it."""
    with pytest.raises(SettingsError) as caught:
        api_keys(Settings(host=host))
    for word in ("FORGE_HOST", "FORGE_KEYS_FILE", "forge keys new", "FORGE_AUTH=off"):
        assert word in str(caught.value)
    assert api_keys(Settings(host=host, auth="off")) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    """On one's own machine it simply starts."""
    assert api_keys(Settings(host=host)) is None


async def test_gateways_with_a_mounted_key_are_one(settings: Settings, tmp_path: Path) -> None:
    """Replicas share the keys of their Secret, make none of their own, and tell in the log when
    they have read changed ones, also while nobody asks them anything."""
    path = tmp_path / "keys"
    path.write_text(rotation.line())
    path.chmod(0o440)
    async with served(settings, FORGE_GATEWAY_KEYS_FILE=str(path)) as gateway:
        new = rotation.line()
        renewed = tmp_path / "renewed"
        renewed.write_text(f"{path.read_text()}\n{new}\n")
        renewed.chmod(0o440)
        renewed.replace(path)
        read = await gateway.log_line("gateway_keys_read", times=2)
        assert read["keys"][1] == new.partition(":")[0]
    assert not (settings.state_dir / "gateway-keys").exists()


def test_a_gateway_in_a_cluster_makes_no_keys() -> None:
    """They would be gone with its pod, and no other replica would know them."""
    with pytest.raises(SettingsError, match=r"FORGE_GATEWAY_KEYS_FILE.*forge keys gateway"):
        gateway_keys(Settings(launcher="kubernetes"))


def test_a_keys_file_is_always_enforced(tmp_path: Path) -> None:
    """Neither loopback nor FORGE_AUTH=off switches keys off that have been given."""
    path = tmp_path / "keys"
    key, line = new_key("k", ["ada"])
    path.write_text(line)
    keys = api_keys(Settings(keys_file=path, auth="off"))
    assert keys is not None
    assert keys.find(key) is not None


class Served:
    """A gateway process, its URL, and half a request on the way to it."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.port = httpx.URL(url).port or 0

    async def half_a_request(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A POST whose body lacks its last byte; returns once the gateway reads it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = b'{"owner_id": ""'
        writer.write(
            b"POST /api/v1/agents HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (len(body) + 1)
        )
        await asyncio.wait_for(reader.readuntil(b"100 Continue\r\n\r\n"), 5)
        writer.write(body)
        return reader, writer

    async def log_line(self, event: str, *, times: int = 1) -> dict[str, Any]:
        """The line of that event, once it has been logged so often."""
        assert self.process.stderr is not None
        async with asyncio.timeout(10):
            while True:
                line: dict[str, Any] = json.loads(await self.process.stderr.readline())
                times -= line["event"] == event
                if not times:
                    return line

    async def refuses_connections(self) -> None:
        async with asyncio.timeout(5):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    return
                writer.close()
                await asyncio.sleep(0.02)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "PORT": "0",
        "FORGE_STATE_DIR": str(settings.state_dir),
        "FORGE_RUNTIME_DIR": str(settings.runtime_dir),
        **more,
    }


@asynccontextmanager
async def process(settings: Settings, **more: str) -> AsyncIterator[Process]:
    """With a soft limit of descriptors that many systems have."""
    few = 'ulimit -S -n 256 && exec "$0" -c "$1"'
    started = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", few, sys.executable, SERVE),
        stdout=PIPE,
        stderr=PIPE,
        env=environment(settings, **more),
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@asynccontextmanager
async def served(settings: Settings, **more: str) -> AsyncIterator[Served]:
    async with process(settings, **more) as started:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), 20)
        yield Served(started, line.decode().strip())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_finishes_what_is_in_flight(
    settings: Settings, number: signal.Signals
) -> None:
    """No new connection, the request in flight gets its answer, and the process ends with 0."""
    async with served(settings) as gateway:
        reader, writer = await gateway.half_a_request()
        gateway.process.send_signal(number)
        await gateway.refuses_connections()
        writer.write(b"}")
        answer: RawAnswer = await asyncio.wait_for(read_answer(reader), 5)
        assert answer.status == 400
        assert answer.headers["connection"] == "close"
        writer.close()
        _, errors = await asyncio.wait_for(gateway.process.communicate(), 10)
        assert gateway.process.returncode == 0
        events = [json.loads(line)["event"] for line in errors.decode().splitlines()]
        assert events[0] == "serving"
        assert events[-2:] == ["request", "stopped"] or events[-1] == "stopped"
        assert "stopping" in events


async def test_a_gateway_that_goes_says_so_before_it_refuses(settings: Settings) -> None:
    """Balancers need time to send elsewhere: until then every request is answered, on new
    connections and on ones that are kept, which end with their answer; /readyz says 503."""
    async with served(settings, FORGE_SHUTDOWN_DELAY="2s") as gateway:
        base_url = f"http://127.0.0.1:{gateway.port}"
        async with httpx.AsyncClient(base_url=base_url, trust_env=False) as kept:
            assert "connection" not in (await kept.get("/readyz")).headers
            gateway.process.send_signal(signal.SIGTERM)
            await until_going(base_url)
            agents = await kept.get("/api/v1/agents")
            assert (agents.status_code, agents.headers["connection"]) == (200, "close")
            assert (await kept.get("/healthz")).status_code == 200
        await gateway.refuses_connections()
        assert await asyncio.wait_for(gateway.process.wait(), 10) == 0


async def until_going(base_url: str) -> None:
    """Returns once /readyz answers 503."""
    async with asyncio.timeout(5), httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        while (await http.get("/readyz")).status_code != 503:
            await asyncio.sleep(0.02)


async def test_the_second_signal_ends_it_at_once(settings: Settings) -> None:
    """Whatever still goes on: the process is killed by the signal itself."""
    async with served(settings, SHUTDOWN_TIMEOUT="1h") as gateway:
        _, writer = await gateway.half_a_request()
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.refuses_connections()
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), 5) == -signal.SIGTERM
        writer.close()


async def test_the_limit_ends_it(settings: Settings) -> None:
    """A request that never ends holds the process no longer than SHUTDOWN_TIMEOUT."""
    async with served(settings, SHUTDOWN_TIMEOUT="1s") as gateway:
        reader, writer = await gateway.half_a_request()
        gateway.process.send_signal(signal.SIGTERM)
        assert (await asyncio.wait_for(read_answer(reader), 10)).status == 503
        assert await asyncio.wait_for(gateway.process.wait(), 10) == 0
        writer.close()


async def test_answers_that_nobody_reads_do_not_hold_the_process(settings: Settings) -> None:
    """SIGTERM ends it, whatever stands in its connections, and none is left unclosed."""
    loop = asyncio.get_running_loop()
    async with served(settings, SHUTDOWN_TIMEOUT="1s", PYTHONWARNINGS="error") as gateway:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(0)
            await loop.sock_connect(deaf, ("127.0.0.1", gateway.port))
            request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
            await loop.sock_sendall(deaf, request * 500)
            await asyncio.wait_for(loop.sock_recv(deaf, 1), 5)
            gateway.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(gateway.process.wait(), 15) == 0


async def test_the_limit_of_descriptors_is_raised(settings: Settings) -> None:
    """Turns to one slow receiver must not use up what all others need."""
    async with served(settings, DEBUG="true") as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(gateway.process.communicate(), 10)
    lines = [json.loads(line) for line in errors.decode().splitlines()]
    (told,) = [line for line in lines if line["event"] == "descriptor_limit"]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    assert told["descriptors"] in (most, min(most, 10240))
    assert told["descriptors"] > 256


async def test_a_refusal_is_a_sentence(settings: Settings) -> None:
    """What cannot be started says so without a traceback."""
    async with process(settings, FORGE_HOST="0.0.0.0") as refused:
        _, errors = await asyncio.wait_for(refused.communicate(), 20)
    assert refused.returncode == 1
    assert re.fullmatch(r"refused: FORGE_HOST: [^\n]+\n", errors.decode())


async def test_a_cluster_that_cannot_be_used_is_named(settings: Settings, tmp_path: Path) -> None:
    """The start fails with the variable to look at, and leaves nothing open."""
    config = tmp_path / "kubeconfig"
    clustered = msgspec.structs.replace(settings, launcher="kubernetes", kube_config=config)
    with pytest.raises(StartFailed, match=r"KUBE_CONFIG_PATH: .*kubeconfig cannot be read"):
        async with running(clustered):
            pass
    config.write_text("{}")
    with pytest.raises(StartFailed, match=r"KUBE_CONFIG_PATH: .*is no usable kubeconfig"):
        async with running(clustered):
            pass


async def test_only_local_agents_have_receivers_on_loopback(settings: Settings) -> None:
    """In a cluster loopback is the gateway's own pod: no webhook may go there unless allowed."""
    assert allowed_networks(settings) == LOOPBACK
    clustered = msgspec.structs.replace(settings, launcher="kubernetes")
    assert allowed_networks(clustered) == ()
    permitted = Networks.parse("127.0.0.0/8")
    opened = msgspec.structs.replace(clustered, webhook_allow_networks=permitted)
    assert allowed_networks(opened) == permitted
