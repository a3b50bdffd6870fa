"""The composition: everything a gateway consists of is made, started and stopped here.

Started in this order, stopped in the reverse one: watch over the gateway keys,
poster, downloader, launcher, links, lifecycle, what looks after pods where agents are pods,
nudges, then relays and the HTTP API, which end side by side within one limit.
"""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from urllib.parse import urlsplit

from gateway import descriptors, logs, signals
from gateway.delivery.attempt import Poster
from gateway.delivery.destination import Bypass
from gateway.delivery.download import Downloader
from gateway.delivery.guard import LOOPBACK, Guard, Network
from gateway.delivery.policy import Policy
from gateway.errors import GatewayError, SettingsError
from gateway.http.apikeys import ApiKeys
from gateway.http.application import Rooms, build
from gateway.http.browser import is_loopback
from gateway.http.eventstream import Streams
from gateway.http.server import HttpServer
from gateway.keyring import Keyring, KeyWatch
from gateway.launchers.local import LocalLauncher
from gateway.launchers.notes import Notes
from gateway.launchers.protocol import Launcher
from gateway.relay.accept import Accept
from gateway.relay.attach import Attachments
from gateway.relay.difference import Differences
from gateway.relay.files import Files
from gateway.relay.history import History
from gateway.relay.lifecycle import Lifecycle
from gateway.relay.links import Links
from gateway.relay.nudge import NudgeServer
from gateway.relay.pods.claims import Claims
from gateway.relay.pods.ledger import Ledger
from gateway.relay.pods.pods import Pods
from gateway.relay.readback import ReadBack
from gateway.settings import Settings, ignored

_logger = logging.getLogger(__name__)


class Gateway:
    """One gateway. `start` and `stop` are called once each, by one task."""

    def __init__(self, settings: Settings) -> None:
        """Nothing runs yet. Must be made inside the event loop that will run it.

        Raises:
            SettingsError: it may not be served like this; says what to do.
            KeyringError: the gateway keys cannot be used.
        """
        keys = api_keys(settings)
        keyring = gateway_keys(settings)
        self._settings = settings
        self._ready = False
        self._key_watch = KeyWatch(keyring)
        self._parts = contextlib.AsyncExitStack()
        guard = Guard(allowed_networks(settings), own_port=self._own_port)
        self._poster = Poster(
            Policy.of(settings),
            guard=guard,
            bypass=Bypass.of(settings),
            proxy=settings.webhook_proxy,
        )
        self._downloader = Downloader(guard, proxy=settings.webhook_proxy)
        self._launcher = _new_launcher(settings, keyring)
        self._links = Links()
        notes = self._launcher.notes
        ledger = Ledger(notes) if notes is not None else None
        self._attachments = Attachments(
            self._launcher, self._links, keyring, self._poster, ledger=ledger
        )
        self._pods = self._new_pods(notes, ledger, keyring) if notes and ledger else None
        self._lifecycle = Lifecycle(self._launcher, self._links, self._attachments, keyring=keyring)
        self._nudges = NudgeServer(self._attachments)
        self._streams = Streams()
        rooms = Rooms(
            launcher=self._launcher,
            commands=Accept(
                self._launcher,
                self._links,
                keyring,
                self._attachments,
                guard=guard,
                files=Files(
                    self._downloader,
                    most=settings.max_attachments,
                    most_bytes=settings.max_attachment_bytes,
                ),
                waiting=self._pods.waiting if self._pods else None,
            ),
            lifecycle=self._lifecycle,
            readback=ReadBack(
                self._launcher,
                self._links,
                keyring,
                self._attachments,
                guard=guard,
                reading=self._pods.reading if self._pods else None,
                renewal=self._pods.renewal if self._pods else None,
            ),
            history=History(self._launcher, self._links, keyring=keyring),
            diffs=Differences(self._launcher, self._links, keyring=keyring),
            streams=self._streams,
            keys=keys,
            ready=lambda: self._ready,
        )
        self._http = HttpServer(build(settings, rooms), host=settings.host, port=settings.port)

    def _new_pods(self, notes: Notes, ledger: Ledger, keyring: Keyring) -> Pods:
        return Pods(
            notes,
            ledger,
            self._attachments,
            launcher=self._launcher,
            links=self._links,
            keyring=keyring,
            poster=self._poster,
            claims=Claims(holder=secrets.token_hex(4)),
        )

    @property
    def url(self) -> str:
        """Of the HTTP API, valid after `start`."""
        return self._http.url

    def _own_port(self) -> int:
        """Where callers come in; no webhook may."""
        return urlsplit(self.url).port or 0

    async def start(self) -> None:
        """Everything, in order; what was started is stopped again when one part fails.

        Raises:
            GatewayError: one part cannot be started; says which and why.
        """
        async with contextlib.AsyncExitStack() as parts:
            self._key_watch.start()
            parts.push_async_callback(self._key_watch.close)
            await self._poster.start()
            parts.push_async_callback(self._poster.close)
            await self._downloader.start()
            parts.push_async_callback(self._downloader.close)
            await self._launcher.start()
            parts.push_async_callback(self._launcher.close)
            parts.push_async_callback(self._links.close)
            parts.push_async_callback(self._lifecycle.close)
            if self._pods is not None:
                self._pods.start()
                parts.push_async_callback(self._pods.close)
            await self._nudges.start(self._launcher.nudge_bind)
            parts.push_async_callback(self._nudges.close)
            parts.push_async_callback(self._drain)
            await self._http.start()
            self._parts = parts.pop_all()
        self._ready = True

    async def stop(self) -> None:
        """Take no more, finish what is in flight within SHUTDOWN_TIMEOUT, end the rest.

        Whoever sends requests here has FORGE_SHUTDOWN_DELAY to find another gateway.
        """
        self._ready = False
        await asyncio.sleep(self._settings.shutdown_delay)
        await self._parts.aclose()

    async def ended(self) -> None:
        """Returns when it serves no more without having been asked to stop."""
        await self._http.ended()

    async def _drain(self) -> None:
        """Event streams end at once; requests and posts in flight share the limit.

        What an accepted request leaves undelivered then is in the agent's journal,
        and its nudge finds another gateway.
        """
        limit_s = self._settings.shutdown_timeout
        self._streams.close()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._http.stop(limit_s), name="drain requests")
            group.create_task(self._attachments.close(limit_s), name="drain relays")


def _new_launcher(settings: Settings, keyring: Keyring) -> Launcher:
    if settings.launcher == "kubernetes":
        # Here, not above: its client library takes 60 MiB and a second.
        from gateway.launchers.kubernetes import KubernetesLauncher

        return KubernetesLauncher(settings, keyring)
    return LocalLauncher(settings, keyring)


def allowed_networks(settings: Settings) -> Sequence[Network]:
    """Local agents share the machine with their users' receivers; in a cluster loopback is
    the gateway's own pod."""
    of_the_machine = LOOPBACK if settings.launcher == "local" else ()
    return (*of_the_machine, *settings.webhook_allow_networks)


def api_keys(settings: Settings) -> ApiKeys | None:
    """The keys in force, None where none are wanted.

    Raises:
        SettingsError: without keys it would be open to a network, or the file is broken.
    """
    if settings.keys_file is not None:
        return ApiKeys(settings.keys_file)
    if is_loopback(settings.host):
        return None
    if settings.auth == "on":
        raise SettingsError(
            f"FORGE_HOST: without API keys the gateway listens on loopback only, not on "
            f"{settings.host}; set FORGE_KEYS_FILE to a file with a line that `forge keys new "
            "NAME --owner USER` prints, or FORGE_AUTH=off to let everybody in"
        )
    _logger.warning("everybody_may_use_all_agents_without_keys")
    return None


def gateway_keys(settings: Settings) -> Keyring:
    """Those of the Secret where one is mounted, else those of the state folder.

    Raises:
        KeyringError: they cannot be used; says why.
        SettingsError: a pod would have keys of its own, and lose them with itself.
    """
    if settings.gateway_keys_file is not None:
        return Keyring.mounted(settings.gateway_keys_file)
    if settings.launcher == "kubernetes" and settings.kube_config is None:
        raise SettingsError(
            "FORGE_GATEWAY_KEYS_FILE: in a cluster all gateways share the keys of one Secret; "
            "mount it, with a line that `forge keys gateway` prints, and name its file here"
        )
    return Keyring.load(settings.state_dir)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Gateway]:
    """A started gateway, stopped at the end of the block. Raises what `start` raises."""
    gateway = Gateway(settings)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def serve(settings: Settings, on_ready: Callable[[Gateway], None]) -> None:
    """Run a gateway until SIGTERM or SIGINT; a second signal kills the process at once.

    Owns the process: its signals, its logs and its limits. `on_ready` is called once it serves.

    Raises:
        GatewayError: it cannot be started, or has ended by itself.
    """
    logs.configure(settings)
    for name in ignored(os.environ):
        _logger.info("variable_ignored", extra={"variable": name})
    _logger.debug("descriptor_limit", extra={"descriptors": descriptors.raise_limit()})
    with signals.first() as signalled:
        async with running(settings) as gateway:
            _logger.info("serving", extra={"url": gateway.url})
            on_ready(gateway)
            await _until(signalled, gateway)
        _logger.info("stopped")


async def _until(signalled: asyncio.Event, gateway: Gateway) -> None:
    asked = asyncio.create_task(signalled.wait(), name="signal")
    ended = asyncio.create_task(gateway.ended(), name="gateway's end")
    try:
        await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            await ended
            raise GatewayError("the HTTP server has ended by itself; the log says why")
    finally:
        asked.cancel()
        ended.cancel()
