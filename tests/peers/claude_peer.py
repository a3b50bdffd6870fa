"""A peer that speaks like `claude` on its pipes and misbehaves as its script says.

Run as `python claude_peer.py SCRIPT ...`; `binary` makes an executable that does so.
SCRIPT is the JSON of a `PeerScript`.
"""

import base64
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

BEGIN, END = "BEGIN", "END"
"""Steps that stand for the message being taken up, and for a result."""
SESSION = "0e0e0e0e-0000-4000-8000-000000000001"


class PeerScript(msgspec.Struct, kw_only=True):
    """What the peer does.

    `version`: the one it tells. `boot_output`: written to standard error instead of an
    answer to the greeting, then it exits with 1. `steps`: what it does when prompted: a
    string is a line of its output, `base64:...` those bytes, `x:N` a line of N letters,
    `stderr:...` that text on standard error; `exit` ends it, `hang` waits for ever.
    """

    version: str = "2.1.329"
    boot_output: str = ""
    refuse_model: str = ""
    steps: list[str] = []


def binary(folder: Path, script: PeerScript) -> Path:
    """An executable peer in that folder."""
    told = folder / "peer.json"
    told.write_bytes(msgspec.json.encode(script))
    path = folder / "claude-peer"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{told}" "$@"\n')
    path.chmod(0o700)
    return path


def text(said: str) -> str:
    """The line of a complete text."""
    message = {"id": "msg_1", "role": "assistant", "content": [{"type": "text", "text": said}]}
    return _json({"type": "assistant", "message": message, "session_id": SESSION})


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _control(script: PeerScript, told: dict[str, Any]) -> None:
    subtype = told["request"]["subtype"]
    if script.boot_output:
        sys.stderr.write(script.boot_output)
        sys.exit(1)
    answer: dict[str, Any] = {"subtype": "success", "request_id": told["request_id"]}
    if subtype == "initialize":
        answer["response"] = {"claude_code_version": script.version, "models": []}
    if subtype == "set_model" and script.refuse_model:
        answer |= {"subtype": "error", "error": script.refuse_model}
    _write(_json({"type": "control_response", "response": answer}).encode())


def _do(step: str, message_id: str) -> None:
    begun = {"type": "command_lifecycle", "command_uuid": message_id, "state": "started"}
    ended = {"type": "result", "subtype": "success", "is_error": False}
    name, _, rest = step.partition(":")
    if step in (BEGIN, END):
        _write(_json(begun if step == BEGIN else ended).encode())
    elif step == "exit":
        os._exit(3)
    elif step == "hang":
        time.sleep(600)
    elif name == "base64":
        _write(base64.b64decode(rest))
    elif name == "x":
        _write(b"x" * int(rest))
    elif name == "stderr":
        sys.stderr.write(rest)
        sys.stderr.flush()
    else:
        _write(step.encode())


def main(arguments: list[str]) -> None:
    script = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=PeerScript)
    for line in sys.stdin:
        told = msgspec.json.decode(line, type=dict[str, Any])
        if told["type"] == "control_request":
            _control(script, told)
        elif told["type"] == "user":
            for step in script.steps:
                _do(step, told["uuid"])


if __name__ == "__main__":
    main(sys.argv[1:])
