"""A scripted peer that plays a gateway's HTTP API and posts signed webhooks."""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Payload = dict[str, Any]

COMPLETED = {"event_type": "agent.complete", "is_final": True, "outcome": "completed"}
INTERRUPTED = {"event_type": "agent.complete", "is_final": True, "outcome": "interrupted"}


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
class ScriptedGateway:
    """Answers as told.

    Attributes:
        script: what a message is answered with; a turn without a final in it ends
            as interrupted once it is interrupted.
        refusals: path endings, and the (status, body, headers) they are answered with.
        calls: (method, path with query, body, authorization) of every request.
    """

    script: Sequence[Payload] = ()
    refusals: dict[str, tuple[int, Any, dict[str, str]]] = field(default_factory=dict)
    calls: list[tuple[str, str, Any, str]] = field(default_factory=list)
    url: str = ""
    _turns: dict[str, dict[str, str]] = field(default_factory=dict)
    _seq: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _posting: set[asyncio.Task[None]] = field(default_factory=set)

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
                return JSONResponse(agent, 201)
            case "GET", [""]:
                return JSONResponse({"agents": [agent], "total": 1})
            case "GET", ["", "agt-1"]:
                return JSONResponse(agent | {"state": "idle", "latest_seq": 7})
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
        self._turns[request_id] = content
        self._post(request_id, content, self.script)
        return JSONResponse({"request_id": request_id, "agent_id": "agt-1"}, 202)

    def _interrupt(self, content: Any) -> Response:
        self._post("req_i", content, [COMPLETED])
        if target := self._turns.get(content.get("target", "")):
            self._post(content["target"], target, [INTERRUPTED])
        return JSONResponse({"request_id": "req_i", "agent_id": "agt-1"}, 202)

    def _post(self, request_id: str, target: dict[str, str], events: Sequence[Payload]) -> None:
        task = asyncio.create_task(self._deliver(request_id, target, events))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _deliver(
        self, request_id: str, target: dict[str, str], events: Sequence[Payload]
    ) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            for event in events:
                seq = next(self._seq)
                named = {"agent_id": "agt-1", "request_id": request_id, "session_id": ""}
                payload = {"event_type": "agent.event", "seq": seq, **named, **event}
                body, headers = signed(payload, target["webhook_secret"], f"agt-1_{seq}")
                with contextlib.suppress(httpx.HTTPError):  # the command has left
                    await client.post(target["webhook_url"], content=body, headers=headers)

    def bodies(self, method: str, ending: str) -> list[Any]:
        """What was sent to paths that end so."""
        return [
            body
            for called, path, body, _ in self.calls
            if called == method and path.partition("?")[0].endswith(ending)
        ]


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
