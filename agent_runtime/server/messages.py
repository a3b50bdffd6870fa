"""The conversation so far, a page at a time."""

import asyncio

from agent_runtime.errors import Invalid
from agent_runtime.journal.cursor import MAX_SEQ
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Turn
from agent_runtime.turns.history import told
from proto.agent.v1 import agent_pb2

MAX_MESSAGES = 200
PAGE_BYTES = 8 * 1024 * 1024
"""Of a page, but for one turn at least."""


async def messages(
    journal: Journal, request: agent_pb2.MessagesRequest
) -> agent_pb2.MessagesResponse:
    """The newest before a place, or the oldest after one; oldest first in either case.

    Raises:
        Invalid: a cursor that this agent never gave, or too many are wanted.
    """
    limit = request.limit or MAX_MESSAGES
    if not 0 < limit <= MAX_MESSAGES:
        raise Invalid(f"limit: 1 to {MAX_MESSAGES}")
    place = _place(request.cursor)
    count = max(limit // 2, 1)
    if request.forward:
        turns = journal.history.oldest(after=place or 0, limit=count + 1)
    else:
        turns = journal.history.newest(before=place or MAX_SEQ, limit=count + 1)[::-1]
    return await _page(journal, turns, count, forward=request.forward)


async def _page(
    journal: Journal, turns: list[Turn], count: int, *, forward: bool
) -> agent_pb2.MessagesResponse:
    """Of `turns`, in the order in which they are wanted, those that fit."""
    taken: list[list[bytes]] = []
    room = PAGE_BYTES
    for turn in turns[:count]:
        both = told(turn, journal.history.said(turn.turn), journal.history.responses(turn.turn))
        room -= sum(map(len, both))
        if taken and room < 0:
            break
        taken.append(both)
        await asyncio.sleep(0)  # a long history is read beside everything else
    more = len(turns) > len(taken)
    cursor = str(turns[len(taken) - 1].turn) if more else ""
    pairs = taken if forward else taken[::-1]
    return agent_pb2.MessagesResponse(
        messages_json=[message for both in pairs for message in both], next_cursor=cursor
    )


def _place(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid("cursor: one that a page before has told is needed")
    return int(cursor or 0)
