"""A peer that speaks like `opencode serve` and misbehaves as its script says.

Run as `python opencode_peer.py SCRIPT serve --hostname H --port P`; `binary`
makes an executable that does so. SCRIPT is the JSON of a `PeerScript`.
"""

import asyncio
import base64
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

SESSION = "ses_1"
IDLE = '{"type":"session.idle","properties":{"sessionID":"ses_1"}}'
USER = (
    '{"type":"message.updated","properties":{"sessionID":"ses_1",'
    '"info":{"id":"msg_%d","role":"user"}}}'
)
ANSWERED = (
    '{"type":"message.updated","properties":{"sessionID":"ses_1",'
    '"info":{"id":"msg_a","role":"assistant","time":{"completed":1}}}}'
)
BEGIN, END = "BEGIN", "END"
"""Steps that stand for a new message of the user, and for an answer and idle."""


class PeerScript(msgspec.Struct, kw_only=True):
    """What the peer does.

    `boot_failures`: how often it fails to start, with `boot_output`. `noise`: bytes it
    writes to its output before it listens. `steps`: what it does when prompted: a
    string is sent as the data of an event, `base64:...` as those bytes;
    `stderr:...` is written to standard error; `close` ends the event stream, `exit` the
    process, `hang` waits for ever.
    `version`: the one it tells. `later_steps`: the same for all prompts but the first.
    `history`: the pages of a session's messages, newest first; after them it is not found.
    """

    steps: list[str] = []
    later_steps: list[str] | None = None
    history: list[str] = []
    boot_failures: int = 0
    boot_output: str = ""
    listens: bool = True
    noise: int = 0
    refuse: int = 0
    version: str = "1.18.33"
    busy: bool = False


def binary(folder: Path, script: PeerScript) -> Path:
    """An executable peer in that folder."""
    told = folder / "peer.json"
    told.write_bytes(msgspec.json.encode(script))
    path = folder / "opencode-peer"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{told}" "$@"\n')
    path.chmod(0o700)
    return path


class Peer:
    def __init__(self, script: PeerScript) -> None:
        self._script = script
        self._prompts = 0
        self._prompted: asyncio.Queue[int] = asyncio.Queue()

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/global/health", self.health),
                web.get("/event", self.events),
                web.get("/session/status", self.status),
                web.post("/session", self.create),
                web.get("/session/{id}", self.create),
                web.get("/session/{id}/children", self.children),
                web.get("/session/{id}/message", self.messages),
                web.post("/session/{id}/prompt_async", self.prompt),
                web.post("/session/{id}/abort", self.abort),
            ]
        )
        return app

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"healthy": True, "version": self._script.version})

    async def create(self, _: web.Request) -> web.Response:
        return web.json_response({"id": SESSION})

    async def children(self, _: web.Request) -> web.Response:
        return web.json_response([])

    async def messages(self, request: web.Request) -> web.Response:
        """The first page before whatever cursor was given that is none of ours."""
        before = request.query.get("before", "")
        page = int(before.removeprefix("page-")) if before.startswith("page-") else 0
        if page >= len(self._script.history):
            return web.json_response({"name": "NotFoundError"}, status=404)
        more = page + 1 < len(self._script.history)
        headers = {"x-next-cursor": f"page-{page + 1}"} if more else {}
        return web.Response(text=self._script.history[page], headers=headers)

    async def abort(self, _: web.Request) -> web.Response:
        return web.json_response(data=True)

    async def status(self, _: web.Request) -> web.Response:
        return web.json_response({SESSION: {"type": "busy"}} if self._script.busy else {})

    async def prompt(self, _: web.Request) -> web.Response:
        if self._script.refuse:
            return web.json_response({"message": "no"}, status=self._script.refuse)
        self._prompts += 1
        self._prompted.put_nowait(self._prompts)
        return web.Response(status=204)

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await _send(response, b'{"type":"server.connected","properties":{}}')
        while True:
            number = await self._prompted.get()
            for step in self._steps(number):
                if step == "close":
                    return response
                await self._do(response, step, number)

    def _steps(self, number: int) -> list[str]:
        later = self._script.later_steps
        return self._script.steps if number == 1 or later is None else later

    async def _do(self, response: web.StreamResponse, step: str, number: int) -> None:
        match step:
            case "exit":
                os._exit(3)
            case "hang":
                await asyncio.Event().wait()
            case "BEGIN":
                await _send(response, (USER % number).encode())
            case "END":
                await _send(response, ANSWERED.encode())
                await _send(response, IDLE.encode())
            case _ if step.startswith("stderr:"):
                sys.stderr.write(step.removeprefix("stderr:"))
                sys.stderr.flush()
            case _ if step.startswith("base64:"):
                await _send(response, base64.b64decode(step.removeprefix("base64:")))
            case _:
                await _send(response, step.encode())


async def _send(response: web.StreamResponse, data: bytes) -> None:
    await response.write(b"data: " + data + b"\n\n")


def _fails_to_boot(script: PeerScript, counter: Path) -> bool:
    failed = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(failed + 1))
    return failed < script.boot_failures


async def _serve(script: PeerScript, port: int) -> None:
    runner = web.AppRunner(Peer(script).app(), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sys.stdout.write("x" * script.noise + "\n")
    if script.listens:
        sys.stdout.write(f"opencode server listening on http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main(arguments: list[str]) -> None:
    told = Path(arguments[0])
    script = msgspec.json.decode(told.read_bytes(), type=PeerScript)
    if _fails_to_boot(script, told.with_suffix(".count")):
        sys.exit(script.boot_output)
    asyncio.run(_serve(script, int(arguments[arguments.index("--port") + 1])))


def text_part(text: str, **more: Any) -> str:
    """The event of a complete text."""
    part = {"id": "prt_1", "type": "text", "text": text, "time": {"start": 1, "end": 2}, **more}
    properties = {"sessionID": SESSION, "part": part}
    return msgspec.json.encode({"type": "message.part.updated", "properties": properties}).decode()


if __name__ == "__main__":
    main(sys.argv[1:])
