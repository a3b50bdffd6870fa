"""What a journal knows of prompts: what was asked, and whether a reply may still come."""

import asyncio
import sqlite3
from typing import Any

import msgspec

from agent_runtime.errors import Answered, Invalid, TooLate, UnknownPrompt
from agent_runtime.journal.rows import Prompt, PromptKind, PromptState
from agent_runtime.journal.writer import Writer
from proto.agent.v1.agent_pb2 import ReplyRequest

MAX_KEPT = 1000
"""Prompts remembered; of the older ones those that are open."""

_COLUMNS = "prompt_id, turn, kind, data, asked_ms, expires_ms, state"
_PUT = f"INSERT OR REPLACE INTO prompts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constant columns
_FORGET = """
DELETE FROM prompts WHERE state != 0 AND rowid <= (SELECT max(rowid) - ? FROM prompts)
"""
_LATE = {
    PromptState.EXPIRED: "its time is up",
    PromptState.ENDED: "nobody waits for it any more",
}


def put(connection: sqlite3.Connection, prompt: Prompt) -> None:
    """An id that the CLI uses again stands for the new one."""
    connection.execute(
        _PUT,
        (
            prompt.prompt_id,
            prompt.turn,
            prompt.kind,
            prompt.data,
            prompt.asked_ms,
            prompt.expires_ms,
            prompt.state,
        ),
    )
    connection.execute(_FORGET, (MAX_KEPT,))


def answer(connection: sqlite3.Connection, reply: ReplyRequest) -> None:
    """From now on nobody else may answer it.

    Raises:
        UnknownPrompt, Answered, TooLate.
        Invalid: it is no answer to this prompt; names the field.
    """
    prompt = find(connection, reply.prompt_id)
    if prompt is None:
        raise UnknownPrompt(f"this agent knows no prompt {reply.prompt_id}")
    if prompt.state in _LATE:
        raise TooLate(f"prompt {reply.prompt_id}: {_LATE[prompt.state]}")
    if prompt.state is not PromptState.OPEN:
        by_whom = "already" if prompt.state is PromptState.ANSWERED else "by the policy"
        raise Answered(f"prompt {reply.prompt_id} has been answered {by_whom}")
    _check(prompt, reply)
    close(connection, reply.prompt_id, PromptState.ANSWERED)


def close(connection: sqlite3.Connection, prompt_id: str, state: PromptState) -> bool:
    """Whether it was open until now."""
    changed = connection.execute(
        "UPDATE prompts SET state = ? WHERE prompt_id = ? AND state = 0", (state, prompt_id)
    )
    return bool(changed.rowcount)


def end_turn(connection: sqlite3.Connection, turn: int) -> None:
    """Its prompts wait for nothing any more."""
    connection.execute(
        "UPDATE prompts SET state = ? WHERE turn = ? AND state = 0", (PromptState.ENDED, turn)
    )


def find(connection: sqlite3.Connection, prompt_id: str) -> Prompt | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM prompts WHERE prompt_id = ?",  # noqa: S608 - constant columns
        (prompt_id,),
    ).fetchone()
    return _read(row) if row else None


def _read(row: tuple[Any, ...]) -> Prompt:
    prompt_id, turn, kind, data, asked_ms, expires_ms, state = row
    return Prompt(
        prompt_id=prompt_id,
        turn=turn,
        kind=PromptKind(kind),
        data=data,
        asked_ms=asked_ms,
        expires_ms=expires_ms,
        state=PromptState(state),
    )


class _Asked(msgspec.Struct):
    options: tuple[str, ...] = ()
    questions: tuple[msgspec.Raw, ...] = ()


def _check(prompt: Prompt, reply: ReplyRequest) -> None:
    asked = msgspec.json.decode(prompt.data, type=_Asked)
    if prompt.kind is PromptKind.QUESTION:
        if reply.decision:
            raise Invalid("decision: this prompt is a question; answers are needed")
        if len(reply.answers) != len(asked.questions):
            raise Invalid(f"answers: {len(asked.questions)} are needed, one for each question")
    elif reply.answers:
        raise Invalid("answers: this prompt asks for permission; a decision is needed")
    elif reply.decision not in asked.options:
        raise Invalid(f"decision: one of {', '.join(asked.options)} is needed here")


class PromptBook:
    """The journal's prompts as the rest of the runtime sees them. Event loop only."""

    def __init__(self, reader: sqlite3.Connection, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def close(self, prompt_id: str, state: PromptState) -> "asyncio.Future[bool]":
        """Whether no reply came before."""
        return self._writer.submit(lambda c: close(c, prompt_id, state))

    def opened(self) -> list[tuple[Prompt, str]]:
        """Those that wait for an answer with their turns' request ids, oldest first."""
        columns = ", ".join(f"prompts.{name}" for name in _COLUMNS.split(", "))
        rows = self._reader.execute(
            f"SELECT request_id, {columns} FROM prompts JOIN turns USING (turn)"  # noqa: S608 - ours
            " WHERE prompts.state = 0 ORDER BY prompts.rowid"
        )
        return [(_read(row[1:]), row[0]) for row in rows]
