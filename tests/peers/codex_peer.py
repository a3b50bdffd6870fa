"""A peer that speaks like `codex app-server` on its pipes and misbehaves as its script says.

Run as `python codex_peer.py SCRIPT ...`; `binary` makes an executable that does so.
SCRIPT is the JSON of a `PeerScript`.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

BEGIN, END = "BEGIN", "END"
"""Steps that stand for the start and the completion of the turn."""
THREAD, TURN = "thread_1", "turn_1"
_TURN = {"id": TURN, "status": "completed"}


class PeerScript(msgspec.Struct, kw_only=True):
    """What the peer does.

    `version`: the one it tells. `boot_output`: written to standard error instead of an
    answer to the greeting, then it exits with 1. `refuse`: the error that answers
    turn/start. `steps`: what it does when prompted: a string is a line of its output,
    `stderr:...` that text on standard error; `exit` ends it, `hang` waits for ever,
    `wait` until it is told something; what is to steer the turn is taken meanwhile.
    `history`: what it answers when asked for items, one after the other; then an error.
    """

    version: str = "0.169.0"
    boot_output: str = ""
    refuse: str = ""
    steps: list[str] = []
    history: list[msgspec.Raw] = []


def binary(folder: Path, script: PeerScript) -> Path:
    """An executable peer in that folder; what it is told is in `told.jsonl` beside it."""
    told = folder / "peer.json"
    told.write_bytes(msgspec.json.encode(script))
    path = folder / "codex-peer"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{told}" "$@"\n')
    path.chmod(0o700)
    return path


def told_to(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "told.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]


def notification(method: str, **params: Any) -> str:
    """Of our thread and turn."""
    where = {"threadId": THREAD, "turnId": TURN}
    return msgspec.json.encode({"method": method, "params": {**where, **params}}).decode()


def text(said: str) -> str:
    """The line of a complete text."""
    return notification("item/completed", item={"type": "agentMessage", "id": "m1", "text": said})


def request(number: int, method: str, **params: Any) -> str:
    where = {"threadId": THREAD, "turnId": TURN}
    told = {"id": number, "method": method, "params": {**where, **params}}
    return msgspec.json.encode(told).decode()


class Peer:
    def __init__(self, script: PeerScript, log: Path) -> None:
        self._script = script
        self._log = log.open("ab", buffering=0)

    def run(self) -> None:
        while line := self._hear():
            self._react(line)

    def _hear(self) -> dict[str, Any] | None:
        line = sys.stdin.readline()
        self._log.write(line.encode())
        return msgspec.json.decode(line) if line else None

    def _react(self, told: dict[str, Any]) -> None:
        answer: dict[str, Any] = {}
        match told.get("method"):
            case "initialize" if self._script.boot_output:
                sys.stderr.write(self._script.boot_output)
                sys.exit(1)
            case "initialize":
                answer = {"result": {"userAgent": f"forge/{self._script.version} (peer)"}}
            case "thread/start" | "thread/resume":
                answer = {"result": {"thread": {"id": THREAD}}}
            case "thread/items/list":
                answer = self._items()
            case "turn/start" if self._script.refuse:
                answer = {"error": {"code": -32600, "message": self._script.refuse}}
            case "turn/start":
                answer = {"result": {"turn": {"id": TURN, "status": "inProgress"}}}
        if answer:
            _write(msgspec.json.encode({"id": told["id"], **answer}))
        if told.get("method") == "turn/start" and not self._script.refuse:
            for step in self._script.steps:
                self._do(step)

    def _items(self) -> dict[str, Any]:
        if self._script.history:
            return {"result": self._script.history.pop(0)}
        return {"error": {"code": -32601, "message": "it is not supported"}}

    def _wait(self) -> None:
        while (told := self._hear()) and told.get("method") == "turn/steer":
            _write(msgspec.json.encode({"id": told["id"], "result": {"turnId": TURN}}))

    def _do(self, step: str) -> None:
        name, _, rest = step.partition(":")
        if step == BEGIN:
            _write(notification("turn/started", turn=_TURN).encode())
        elif step == END:
            _write(notification("turn/completed", turn=_TURN).encode())
        elif step == "exit":
            os._exit(3)
        elif step == "hang":
            time.sleep(600)
        elif step == "wait":
            self._wait()
        elif name == "stderr":
            sys.stderr.write(rest)
            sys.stderr.flush()
        else:
            _write(step.encode())


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: list[str]) -> None:
    path = Path(arguments[0])
    script = msgspec.json.decode(path.read_bytes(), type=PeerScript)
    Peer(script, path.with_name("told.jsonl")).run()


if __name__ == "__main__":
    main(sys.argv[1:])
