"""A webhook receiver on a loopback port: verifies, answers, hands on what is new.

It answers 200 to what its secret signed, 401 to everything else, and keeps the
first delivery of each event, alone or in a batch. A reader that falls behind holds the answers
back, and with them the gateway, instead of filling memory.
"""

import asyncio
import contextlib
import secrets
import socket
from base64 import b64encode
from collections import OrderedDict
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass

import msgspec
import uvicorn
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.cli.errors import Silence, Trouble
from gateway.cli.webhook import Webhook, parse, payloads

HOST = "127.0.0.1"
_BODY_LIMIT_BYTES = 16 * 1024 * 1024
_QUEUED = 256
_REMEMBERED_IDS = 100_000
_STOP_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One event as it came. `event` is None where it was refused, `refusal` then says why."""

    webhook_id: str
    body: bytes
    event: Webhook | None = None
    refusal: str = ""

    @classmethod
    def read_back(cls, body: bytes) -> "tuple[Arrival, Webhook]":
        """One that came from a gateway itself, and its event. Raises Trouble for no event."""
        try:
            event = parse(body)
        except msgspec.DecodeError as error:
            raise Trouble(f"the gateway sent something that is no event: {error}") from error
        return cls(webhook_id="", body=body, event=event), event


class Receiver:
    """Verifies what is posted to `url`. Requests' tasks fill it, one reader takes."""

    def __init__(self, *, url: str, secret: str) -> None:
        self.url = url
        self.secret = secret
        self._verifier = _verifier(secret)
        self._arrivals: asyncio.Queue[Arrival] = asyncio.Queue(_QUEUED)
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def next(self, *, timeout_s: float) -> Arrival:
        """The next delivery that is new or was refused.

        Raises:
            Silence: there was none within `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._arrivals.get()
        except TimeoutError as error:
            raise Silence(f"no event has come for {timeout_s:.0f} s") from error

    async def answer(self, request: Request) -> Response:
        """The endpoint."""
        try:
            body = await _bounded(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return self._refuse(b"", request, f"a body over {_BODY_LIMIT_BYTES} bytes", status=413)
        try:
            self._verifier.verify(body, dict(request.headers), json_parse=False)
            arrivals = _arrivals(request.headers["webhook-id"], body)
        except WebhookVerificationError as error:
            return self._refuse(body, request, str(error).lower(), status=401)
        except msgspec.DecodeError as error:
            return self._refuse(body, request, f"signed, but no event: {error}", status=400)
        except ValueError:  # headers or a body that the verifier cannot even read
            return self._refuse(body, request, "invalid signature headers", status=401)
        for arrival in arrivals:
            await self._accept(arrival)
        return Response(status_code=200)

    async def _accept(self, arrival: Arrival) -> None:
        if arrival.webhook_id in self._seen:
            return
        self._seen[arrival.webhook_id] = None
        if len(self._seen) > _REMEMBERED_IDS:
            self._seen.popitem(last=False)
        await self._arrivals.put(arrival)

    def _refuse(self, body: bytes, request: Request, why: str, *, status: int) -> Response:
        webhook_id = request.headers.get("webhook-id", "")
        with contextlib.suppress(asyncio.QueueFull):  # a flood of forgeries holds nobody up
            self._arrivals.put_nowait(Arrival(webhook_id=webhook_id, body=body, refusal=why))
        return Response(why, status_code=status, media_type="text/plain")


@contextlib.asynccontextmanager
async def receiving(
    *, secret: str = "", port: int = 0, host: str = HOST
) -> AsyncIterator[Receiver]:
    """A receiver that listens as long as the context is open.

    Args:
        secret: what the gateway signs with; "" makes one.
        port: 0 picks a free one.
        host: an IPv4 address of this machine, or 0.0.0.0 for all.

    Raises:
        Trouble: the address or port cannot be had, or the secret cannot be one.
    """
    bound = _bind(host, port)
    url = f"http://{host}:{bound.getsockname()[1]}/"
    with contextlib.closing(bound):
        receiver = Receiver(url=url, secret=secret or new_secret())
        app = Starlette(routes=[Route("/{path:path}", receiver.answer, methods=["POST"])])
        server = _Server(app)
        serving = asyncio.create_task(server.serve(sockets=[bound]), name="webhook-receiver")
        try:
            await server.wait_until_ready(serving)
            yield receiver
        finally:
            server.should_exit = True
            # Whoever still waits for room in the queue is let go by force.
            done, _ = await asyncio.wait({serving}, timeout=_STOP_LIMIT_S)
            if not done:
                serving.cancel()


def new_secret() -> str:
    """A signing secret in the form of Standard Webhooks."""
    return "whsec_" + b64encode(secrets.token_bytes(24)).decode()


def _arrivals(webhook_id: str, body: bytes) -> list[Arrival]:
    """The events of one POST; those of a batch by the ids of their own, as batches may come
    again cut differently. Raises msgspec.DecodeError."""
    events = [(payload, parse(payload)) for payload in payloads(body)]
    if events[0][0] is body:
        return [Arrival(webhook_id=webhook_id, body=body, event=events[0][1])]
    return [
        Arrival(webhook_id=event.own_id, body=payload, event=event) for payload, event in events
    ]


class _Server(uvicorn.Server):
    """uvicorn, with signals left to the command and readiness to wait for."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                loop="none",
                timeout_graceful_shutdown=1,
            )
        )
        self._ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    async def wait_until_ready(self, serving: asyncio.Task[None]) -> None:
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait({ready, serving}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if serving.done():
            raise Trouble("the receiver could not start") from serving.exception()


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise Trouble(
            f"port {port} of {host} cannot be used: {error.strerror}; give another one with --port"
        ) from error
    return bound


def _verifier(secret: str) -> Verifier:
    """Secrets without the prefix stand for their own bytes, as the gateway takes them."""
    try:
        return Verifier(secret if secret.startswith("whsec_") else secret.encode())
    except (ValueError, EmptyWebhookSecretError) as error:
        raise Trouble("the secret cannot be used: after whsec_ it must be base64") from error


async def _bounded(request: Request) -> bytes | None:
    """The body, None when it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT_BYTES:
            return None
    return bytes(body)
