"""A peer that speaks the Agent Client Protocol and misbehaves as its script says.

Run as `python acp_peer.py SCRIPT`; `command` makes a command line that does so.
SCRIPT is the JSON of a `PeerScript`.
"""

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

SESSION = "ses_1"
END = "END"
"""A step that stands for the answer to the prompt."""


class PeerScript(msgspec.Struct, kw_only=True):
    """What the peer does.

    `version`: of the protocol. `able`: its agentCapabilities. `boot_output`: written to
    standard error instead of an answer to the greeting, then it exits with 1. `refuse`: the
    error that answers session/new. `stop`: why the prompt ends, or `error` instead.
    `steps`: what it does when prompted: a string is a line of its output, `stderr:...` that
    text on standard error; `exit` ends it, `hang` waits for ever, `wait` until it is told
    something.
    """

    version: int = 1
    able: dict[str, Any] = {}
    boot_output: str = ""
    refuse: str = ""
    stop: str = "end_turn"
    error: dict[str, Any] | None = None
    steps: list[str] = []


def command(folder: Path, script: PeerScript) -> str:
    """What it is told is in `told.jsonl` in that folder."""
    told = folder / "peer.json"
    told.write_bytes(msgspec.json.encode(script))
    return shlex.join([sys.executable, __file__, str(told)])


def told_to(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "told.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]


def update(name: str, **fields: Any) -> str:
    params = {"sessionId": SESSION, "update": {"sessionUpdate": name, **fields}}
    return _message(method="session/update", params=params)


def chunk(text: str, **fields: Any) -> str:
    return update("agent_message_chunk", content={"type": "text", "text": text}, **fields)


def request(number: int | str, method: str, **params: Any) -> str:
    return _message(id=number, method=method, params={"sessionId": SESSION, **params})


def _message(**fields: Any) -> str:
    return msgspec.json.encode({"jsonrpc": "2.0", **fields}).decode()


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
        script, number = self._script, told.get("id")
        match told.get("method"):
            case "initialize" if script.boot_output:
                sys.stderr.write(script.boot_output)
                sys.exit(1)
            case "initialize":
                able = {
                    "protocolVersion": script.version,
                    "agentCapabilities": script.able,
                    "agentInfo": {"name": "peer", "version": "0.9"},
                }
                _write(_message(id=number, result=able))
            case "session/new" if script.refuse:
                _write(_message(id=number, error={"code": -32000, "message": script.refuse}))
            case "session/new":
                _write(_message(id=number, result={"sessionId": SESSION}))
            case "session/load" | "session/resume":
                _write(_message(id=number, result={}))
            case "session/prompt":
                for step in script.steps:
                    self._do(step, number)

    def _do(self, step: str, number: Any) -> None:
        name, _, rest = step.partition(":")
        if step == END and self._script.error is not None:
            _write(_message(id=number, error=self._script.error))
        elif step == END:
            _write(_message(id=number, result={"stopReason": self._script.stop}))
        elif step == "exit":
            os._exit(3)
        elif step == "hang":
            time.sleep(600)
        elif step == "wait":
            self._hear()
        elif name == "stderr":
            sys.stderr.write(rest)
            sys.stderr.flush()
        else:
            _write(step)


def _write(line: str) -> None:
    sys.stdout.buffer.write(line.encode() + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: list[str]) -> None:
    path = Path(arguments[0])
    script = msgspec.json.decode(path.read_bytes(), type=PeerScript)
    Peer(script, path.with_name("told.jsonl")).run()


if __name__ == "__main__":
    main(sys.argv[1:])
