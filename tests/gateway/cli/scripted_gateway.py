"""A scripted peer that plays a gateway's HTTP API and tells events as it was told."""

import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.peers.noticed import Noticed

Payload = dict[str, Any]

COMPLETED = {"event_type": "agent.complete", "is_final": True, "outcome": "completed"}
INTERRUPTED = {"event_type": "agent.complete", "is_final": True, "outcome": "interrupted"}


PARKED = {
    "request_id": "req_1",
    "state": "ended",
    "outcome": "completed",
    "first_seq": 1,
    "last_seq": 3,
    "acknowledged_seq": 2,
    "delivery": "parked",
    "generation": 1,
    "attempts": 4,
    "last_error": "HTTP 503",
    "created_at": "2026-01-02T03:04:05Z",
}


def text(said: str, part_id: str = "p") -> Payload:
    return {"kind": "text.delta", "data": {"text": said, "part_id": part_id}}


def failed(code: str, message: str) -> Payload:
    fault = {"code": code, "message": message, "recoverable": False}
    return {"event_type": "agent.error", "is_final": True, "outcome": "failed", "error": fault}


def signed(payload: Payload, secret: str, webhook_id: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a delivery."""
    body = json.dumps(payload).encode()
    now = datetime.now(tz=UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, body.decode()),
        "content-type": "application/json",
    }
    return body, headers


@dataclass
class ScriptedTurn:
    """What has been told of one turn, and who waits for more."""

    payloads: list[Payload] = field(default_factory=list)
    noticed: Noticed = field(default_factory=Noticed)

    @property
    def ended(self) -> bool:
        return any("is_final" in payload for payload in self.payloads)

    async def until_after(self, seq: int) -> None:
        """Wait for an event after that one."""
        await self.noticed.until(
            lambda: any(payload["seq"] > seq for payload in self.payloads), within_s=30
        )


@dataclass
class ScriptedGateway:
    """Answers as told.

    Attributes:
        script: what a message is answered with; a turn without a final in it ends
            as interrupted once it is interrupted.
        refusals: path endings, and the (status, body, headers) they are answered with.
        breaks: streams yet to be broken off: after how many events, and with what last word
            ("" for none).
        before: what a new agent says of itself before it is ready, a look each.
        calls: (method, path with query, body, authorization) of every request.
    """

    script: Sequence[Payload] = ()
    refusals: dict[str, tuple[int, Any, dict[str, str]]] = field(default_factory=dict)
    breaks: list[tuple[int, str]] = field(default_factory=list)
    before: Iterator[Payload] = field(default_factory=lambda: iter(()))
    calls: list[tuple[str, str, Any, str]] = field(default_factory=list)
    url: str = ""
    _turns: dict[str, ScriptedTurn] = field(default_factory=dict)
    _seq: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        path = request.url.path
        called = f"{path}?{request.url.query}" if request.url.query else path
        content = json.loads(body) if body else None
        self.calls.append(
            (request.method, called, content, request.headers.get("authorization", ""))
        )
        for ending, (status, refusal, headers) in self.refusals.items():
            if path.endswith(ending):
                return JSONResponse(refusal, status, headers)
        if path.endswith("/events"):
            return self._events(request)
        if "/turns" in path:
            return _turns(path, request.query_params.get("before", ""))
        return self._answer(request.method, path, content)

    def _answer(self, method: str, path: str, content: Any) -> Response:
        agent = {
            "agent_id": "agt-1",
            "user_id": "ada",
            "backend": "command",
            "phase": "Running",
            "ready": True,
            "created_at": "2026-01-02T03:04:05Z",
        }
        match method, path.removeprefix("/api/v1/agents").split("/"):
            case "GET", ["", "healthz"]:
                return JSONResponse({"status": "ok"})
            case "POST", [""]:
                return JSONResponse(agent | next(self.before, {}), 201)
            case "GET", [""]:
                return JSONResponse({"agents": [agent], "total": 1})
            case "GET", ["", "agt-1"]:
                live = {"state": "idle", "latest_seq": 7}
                return JSONResponse(agent | live | next(self.before, {}))
            case "DELETE", ["", "agt-1"]:
                return Response(status_code=204)
            case "POST", ["", "agt-1", "messages"]:
                return self._message(content)
            case "POST", ["", "agt-1", "interrupt"]:
                return self._interrupt(content)
            case "POST", ["", "agt-1", "grpc-token"]:
                return JSONResponse({"address": "unix:/run/a.sock", "token": "t" * 8})
        return JSONResponse({"error": "not_found", "message": "there is no such agent"}, 404)

    def _message(self, content: Any) -> Response:
        request_id = content.get("request_id", "req_1")
        replayed = {"Idempotent-Replayed": "true"} if request_id in self._turns else {}
        if not replayed:
            self.tell(request_id, self.script)
        return JSONResponse({"request_id": request_id, "agent_id": "agt-1"}, 202, replayed)

    def _interrupt(self, content: Any) -> Response:
        self.tell("req_i", [COMPLETED])
        target = content.get("target", "")
        if target in self._turns:
            self.tell(target, [INTERRUPTED])
        return JSONResponse({"request_id": "req_i", "agent_id": "agt-1"}, 202)

    def tell(self, request_id: str, events: Sequence[Payload]) -> None:
        """More of a turn."""
        turn = self._turns.setdefault(request_id, ScriptedTurn())
        for event in events:
            named = {"agent_id": "agt-1", "request_id": request_id, "session_id": ""}
            payload = {"event_type": "agent.event", "seq": next(self._seq), **named, **event}
            turn.payloads.append(payload)
        turn.noticed.tell()

    def _events(self, request: Request) -> Response:
        query = request.query_params
        after = int(query.get("after_seq", "0"))
        asked = query.get("request_id", "")
        if "text/event-stream" in request.headers["accept"]:
            frames = self._frames(self._turns[asked], after)
            return StreamingResponse(frames, media_type="text/event-stream")
        told = [payload for turn in self._turns.values() for payload in turn.payloads]
        events = [
            payload
            for payload in told
            if payload["seq"] > after and asked in ("", payload["request_id"])
        ][:2]
        last = events[-1]["seq"] if events else after
        more = bool(told) and last < told[-1]["seq"]
        return JSONResponse({"events": events, "next_after_seq": last, "more": more})

    async def _frames(self, turn: ScriptedTurn, after: int) -> AsyncIterator[bytes]:
        limit, last_word = self.breaks.pop(0) if self.breaks else (10**6, "")
        told = 0
        while not turn.ended or after < turn.payloads[-1]["seq"]:
            for payload in turn.payloads:
                if payload["seq"] <= after:
                    continue
                if told == limit:
                    yield f"event: error\ndata: {last_word}\n\n".encode() if last_word else b""
                    return
                yield b": nothing new\n\n" if not told else b""
                yield f"id: {payload['seq']}\ndata: {json.dumps(payload)}\n\n".encode()
                after, told = payload["seq"], told + 1
            if not turn.ended:
                await turn.until_after(after)

    def bodies(self, method: str, ending: str) -> list[Any]:
        """What was sent to paths that end so."""
        return [
            body
            for called, path, body, _ in self.calls
            if called == method and path.partition("?")[0].endswith(ending)
        ]


def _turns(path: str, before: str) -> Response:
    """Two of them, each a page."""
    if path.endswith("/redeliver"):
        return JSONResponse({"request_id": "req_1", "generation": 2}, 202)
    if not path.endswith("/turns"):
        return JSONResponse(PARKED)
    older = {**PARKED, "request_id": "req_0", "rejected_seqs": [2, 5]}
    return JSONResponse({"turns": [older if before == "req_1" else PARKED], "more": not before})


@contextlib.asynccontextmanager
async def scripted_gateway() -> AsyncIterator[ScriptedGateway]:
    """Listens on a free loopback port as long as the context is open."""
    gateway = ScriptedGateway()
    methods = ["GET", "POST", "DELETE"]
    application = Starlette(routes=[Route("/{path:path}", gateway.answer, methods=methods)])
    config = uvicorn.Config(application, log_config=None, lifespan="off", ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        gateway.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        await server.startup(sockets=[bound])
        try:
            yield gateway
        finally:
            server.should_exit = True
            await server.shutdown(sockets=[bound])
