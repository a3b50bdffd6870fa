"""Plays a transcript to the normaliser of its backend."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.acp import events as acp_events
from agent_runtime.backends.acp.meaning import Meanings as AcpMeanings
from agent_runtime.backends.acp.turn import TurnState as AcpTurn
from agent_runtime.backends.claude_code import events as claude_events
from agent_runtime.backends.claude_code.meaning import Meanings as ClaudeMeanings
from agent_runtime.backends.claude_code.turn import TurnState as ClaudeTurn
from agent_runtime.backends.codex import events as codex_events
from agent_runtime.backends.codex.meaning import Meanings as CodexMeanings
from agent_runtime.backends.codex.meter import USAGE, Meter
from agent_runtime.backends.codex.turn import TurnState as CodexTurn
from agent_runtime.backends.opencode import events as opencode_events
from agent_runtime.backends.opencode.meaning import Meanings as OpenCodeMeanings
from agent_runtime.backends.opencode.turn import Session as OpenCodeSession
from agent_runtime.backends.opencode.turn import TurnState as OpenCodeTurn
from agent_runtime.model import BackendEvent, TurnEnd

FOLDER = Path(__file__).parent
WORKSPACE = Path("/workspace")


class Line(msgspec.Struct):
    dir: str
    data: msgspec.Raw


def lines(name: str) -> list[Line]:
    content = (FOLDER / f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Line) for line in content]


def story(name: str) -> list[str]:
    """What the transcript comes to."""
    return list(PLAYERS[name](lines(name)))


def _told(event: BackendEvent) -> str:
    data = event.data_json.decode() if event.data_json else ""
    return f"  {event.kind} [{event.event_type}] {data}".rstrip()


def _ended(turn: AcpTurn | ClaudeTurn | CodexTurn) -> Iterator[str]:
    if turn.ended:
        yield _outcome(turn.end())


def _outcome(end: TurnEnd) -> str:
    used = end.usage
    usage = f" {used.input_tokens}+{used.output_tokens}" if used is not None else ""
    cost = f" ${used.cost_usd:.6f}" if used is not None and used.cost_usd is not None else ""
    return f"{end.outcome}{usage}{cost} {end.message}".rstrip()


def acp(told: list[Line]) -> Iterator[str]:
    turn, meanings = AcpTurn("", 0), AcpMeanings(WORKSPACE, nonce="process")
    for line in told:
        said = _json(line)
        if line.dir == "in":
            if said["method"] == "session/prompt":
                turn = AcpTurn(said["params"]["sessionId"], said["id"])
                meanings = AcpMeanings(WORKSPACE, nonce="process")
            turn.interrupted |= said["method"] == "session/cancel"
            continue
        event = acp_events.read(bytes(line.data))
        if turn.observe(event):
            yield from map(_told, [*meanings.changes(event), meanings.of(event)])
        yield from _ended(turn)


def claude_code(told: list[Line]) -> Iterator[str]:
    """Recorded without ids of messages: a prompt begins with what the user says."""
    turn, meanings = ClaudeTurn(""), ClaudeMeanings(WORKSPACE)
    for line in told:
        said = _json(line)
        if line.dir == "in":
            if said["type"] == "user":
                turn, meanings = ClaudeTurn(""), ClaudeMeanings(WORKSPACE)
                turn.begun = True
            turn.interrupted |= said.get("request", {}).get("subtype") == "interrupt"
            continue
        event = claude_events.read(bytes(line.data))
        if turn.ended or not turn.observe(event):
            continue
        yield from map(_told, [*meanings.changes(event), meanings.of(event)])
        yield from _ended(turn)


def codex(told: list[Line]) -> Iterator[str]:
    turn, meanings, meter = CodexTurn("", 0), CodexMeanings("", WORKSPACE), Meter()
    for line in told:
        said = _json(line)
        if line.dir == "in":
            if said.get("method") == "turn/start":
                thread_id = said["params"]["threadId"]
                turn, meanings = (
                    CodexTurn(thread_id, said["id"]),
                    CodexMeanings(thread_id, WORKSPACE),
                )
            turn.interrupted |= said.get("method") == "turn/interrupt"
            continue
        event = codex_events.read(bytes(line.data))
        if turn.ended or not turn.observe(event) or not event.forwarded:
            continue
        used = meter.call(event) if event.type == USAGE else None
        if used is not None:
            turn.add(used)
        yield from map(_told, [*meanings.changes(event), meanings.of(event, used)])
        yield from _ended(turn)


def opencode(told: list[Line]) -> Iterator[str]:
    """A turn whose verdict stays doubtful has ended when the next one begins."""
    sessions: dict[str, OpenCodeSession] = {}
    turn: OpenCodeTurn | None = None
    meanings = OpenCodeMeanings()
    for line in told:
        said = _json(line)
        if line.dir == "in" and said["path"].endswith("/prompt_async"):
            if turn is not None:
                yield _outcome(turn.end())
            session_id = said["path"].split("/")[2]
            session = sessions.setdefault(session_id, OpenCodeSession(session_id))
            turn, meanings = OpenCodeTurn(session), OpenCodeMeanings()
        assert turn is not None
        if line.dir == "in":
            turn.interrupted |= said["path"].endswith("/abort")
            continue
        event = opencode_events.read(bytes(line.data))
        if turn.observe(event):
            yield _told(meanings.of(event, subagent=turn.is_subagent(event)))
    if turn is not None:
        yield _outcome(turn.end())


def _json(line: Line) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(line.data)
    return told


PLAYERS: dict[str, Callable[[list[Line]], Iterator[str]]] = {
    "acp": acp,
    "claude_code": claude_code,
    "codex": codex,
    "opencode": opencode,
}

if __name__ == "__main__":
    sys.stdout.write("\n".join(story(sys.argv[1])) + "\n")
