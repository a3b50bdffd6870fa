"""A scripted peer that plays a gateway's HTTP API and tells events as it was told."""

import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
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
class ScriptedGateway:
    """Answers as told.

    Attributes:
        script: what a message is answered with; a turn without a final in it ends
            as interrupted once it is interrupted.
        refusals: path endings, and the (status, body, headers) they are answered with.
        breaks: streams yet to be broken off: after how many events, and with what last word
            ("" for none).
        prompts: what the agent asks and nobody has answered.
        changed: what a PATCH has set.
        messages: the conversation so far.
        seqs: of the events to come.
        diff: what it says of the workspace.
        before: what a new agent says of itself before it is ready, a look each.
        calls: (method, path with query, body, authorization) of every request.
    """

    script: Sequence[Payload] = ()
    refusals: dict[str, tuple[int, Any, dict[str, str]]] = field(default_factory=dict)
    breaks: list[tuple[int, str]] = field(default_factory=list)
    prompts: list[Payload] = field(default_factory=list)
    changed: Payload = field(default_factory=dict)
    messages: list[Payload] = field(default_factory=list)
    before: Iterator[Payload] = field(default_factory=lambda: iter(()))
    diff: Payload = field(default_factory=lambda: {"files": [], "diff": ""})
    calls: list[tuple[str, str, Any, str]] = field(default_factory=list)
    url: str = ""
    _turns: dict[str, list[Payload]] = field(default_factory=dict)
    _hung_up: int = 0
    _noticed: Noticed = field(default_factory=Noticed)
    seqs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        path = request.url.path
        called = f"{path}?{request.url.query}" if request.url.query else path
        content = json.loads(body) if body else None
        self.calls.append(
            (request.method, called, content, request.headers.get("authorization", ""))
        )
        self._noticed.tell()
        for ending, (status, refusal, headers) in self.refusals.items():
            if path.endswith(ending):
                return JSONResponse(refusal, status, headers)
        if path.endswith("/events"):
            return self._events(request)
        if "/turns" in path:
            return self._told_turns(path, request.query_params.get("before", ""))
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
                live = {"state": "idle", "latest_seq": 7, **self.changed}
                return JSONResponse(agent | live | next(self.before, {}))
            case "GET", ["", "agt-1", "diff"]:
                return JSONResponse(self.diff)
            case "DELETE", ["", "agt-1"]:
                return Response(status_code=204)
            case "POST", ["", "agt-1", "messages"]:
                return self._message(content)
            case "POST", ["", "agt-1", "interrupt"]:
                return self._interrupt(content)
            case "POST", ["", "agt-1", "grpc-token"]:
                return JSONResponse({"address": "unix:/run/a.sock", "token": "t" * 8})
        return self._converse(method, path.partition("agt-1")[2], content)

    def _converse(self, method: str, path: str, content: Any) -> Response:
        match method, path.split("/"):
            case "PATCH", [""]:
                names = {"model": "current_model"}
                self.changed |= {names.get(name, name): each for name, each in content.items()}
                return JSONResponse(self.changed)
            case "GET", ["", "prompts"]:
                return JSONResponse({"prompts": self.prompts, "total": len(self.prompts)})
            case "POST", ["", "prompts", prompt_id]:
                return self._answered(prompt_id, content)
            case "GET", ["", "messages"]:
                return JSONResponse({"messages": self.messages})
            case "POST", ["", "sessions"]:
                self.tell(content["request_id"], [COMPLETED])
                return JSONResponse({"request_id": content["request_id"]}, 202)
        return JSONResponse({"error": "not_found", "message": "there is no such agent"}, 404)

    def _message(self, content: Any) -> Response:
        request_id = content.get("request_id", "req_1")
        replayed = {"Idempotent-Replayed": "true"} if request_id in self._turns else {}
        if not replayed:
            self.tell(request_id, self.script)
        return JSONResponse({"request_id": request_id, "agent_id": "agt-1"}, 202, replayed)

    def _interrupt(self, content: Any) -> Response:
        own = content.get("request_id", "req_i")
        self.tell(own, [COMPLETED])
        target = content.get("target", "")
        if target in self._turns:
            self.tell(target, [INTERRUPTED])
        return JSONResponse({"request_id": own, "agent_id": "agt-1"}, 202)

    def _answered(self, prompt_id: str, content: Any) -> Response:
        prompt = next(each for each in self.prompts if each["prompt_id"] == prompt_id)
        self.prompts.remove(prompt)
        self.tell(content["request_id"], [COMPLETED])
        kind = prompt["kind"].replace("asked", "answered")
        self.tell(prompt["request_id"], [{"kind": kind, "data": {"prompt_id": prompt_id}}])
        return JSONResponse({"request_id": content["request_id"], "prompt_id": prompt_id}, 202)

    def ask(self, request_id: str, kind: str, data: Payload, *, waits: bool = True) -> None:
        """In that turn; where it does not wait, the agent's policy has decided."""
        if waits:
            self.prompts.append({"request_id": request_id, "kind": kind, **data})
        self.tell(request_id, [{"kind": kind, "data": data}])

    def tell(self, request_id: str, events: Sequence[Payload]) -> None:
        """More of a turn."""
        for event in events:
            named = {"agent_id": "agt-1", "request_id": request_id, "session_id": ""}
            payload = {"event_type": "agent.event", "seq": next(self.seqs), **named, **event}
            self._turns.setdefault(request_id, []).append(payload)
        self._turns.setdefault(request_id, [])
        self._noticed.tell()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what was called, or told, is so."""
        await self._noticed.until(holds, within_s=30)

    async def called(self, method: str, ending: str) -> Any:
        """Wait until that was called; the last body."""
        await self.until(lambda: bool(self.bodies(method, ending)))
        return self.bodies(method, ending)[-1]

    def _told(self, asked: str, after: int) -> list[Payload]:
        """Of a turn, "" for all, in order."""
        told = [payload for turn in self._turns.values() for payload in turn]
        told.sort(key=lambda payload: int(payload["seq"]))
        return [
            payload
            for payload in told
            if payload["seq"] > after and asked in ("", payload["request_id"])
        ]

    def _events(self, request: Request) -> Response:
        query = request.query_params
        after = int(query.get("after_seq", "0"))
        asked = query.get("request_id", "")
        if "text/event-stream" in request.headers["accept"]:
            return StreamingResponse(
                self._frames(asked, after, self._hung_up), media_type="text/event-stream"
            )
        told = self._told(asked, after)
        last = told[:2][-1]["seq"] if told else after
        return JSONResponse({"events": told[:2], "next_after_seq": last, "more": bool(told[2:])})

    async def _frames(self, asked: str, after: int, hung_up: int) -> AsyncIterator[bytes]:
        limit, last_word = self.breaks.pop(0) if self.breaks else (10**6, "")
        told = 0
        while True:
            for payload in self._told(asked, after):
                if told == limit:
                    yield f"event: error\ndata: {last_word}\n\n".encode() if last_word else b""
                    return
                yield b": nothing new\n\n" if not told else b""
                yield f"id: {payload['seq']}\ndata: {json.dumps(payload)}\n\n".encode()
                after, told = payload["seq"], told + 1
                if asked and "is_final" in payload:
                    return
            if not await self._until_told(asked, after, hung_up):
                return

    def hang_up(self) -> None:
        """Streams that wait for an event end; others may begin after that."""
        self._hung_up += 1
        self._noticed.tell()

    async def _until_told(self, asked: str, after: int, before: int) -> bool:
        """False when it is to end instead."""
        await self.until(lambda: self._hung_up != before or bool(self._told(asked, after)))
        return self._hung_up == before

    def _told_turns(self, path: str, before: str) -> Response:
        """Those that were told of; where there are none two that have ended, each a page."""
        turns = [
            {
                "request_id": name,
                "state": "ended" if any("is_final" in payload for payload in told) else "running",
                "outcome": next((each["outcome"] for each in told if "is_final" in each), ""),
                "first_seq": told[0]["seq"] if told else 0,
                "last_seq": told[-1]["seq"] if told else 0,
            }
            for name, told in self._turns.items()
        ]
        if path.endswith("/turns") and turns:
            return JSONResponse({"turns": turns, "more": False})
        return _turns(path, before)

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
    methods = ["GET", "POST", "PATCH", "DELETE"]
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
