"""The conversation so far, a page at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from agent_runtime.backends.recalled import Recalled
from agent_runtime.errors import Invalid
from agent_runtime.journal.cursor import MAX_SEQ
from agent_runtime.journal.history import Spoken
from agent_runtime.journal.journal import Journal
from agent_runtime.turns.history import Answer, Source, told
from agent_runtime.turns.recall import LIMIT_S, Recall
from proto.agent.v1 import agent_pb2

MAX_MESSAGES = 200
PAGE_BYTES = 8 * 1024 * 1024
"""Of a page, but for one turn at least."""

_AT_ONCE = 8
"""Turns that the CLI is asked for together; what it tells is held while they are told."""


async def messages(
    journal: Journal, recall: Recall, request: agent_pb2.MessagesRequest
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
        turns = journal.history.newest(before=place or MAX_SEQ, limit=count + 1)
    taken = await _fitting(journal, recall, turns[:count])
    more = len(turns) > len(taken)
    pairs = taken if request.forward else taken[::-1]
    return agent_pb2.MessagesResponse(
        messages_json=[message for both in pairs for message in both],
        next_cursor=str(turns[len(taken) - 1].turn) if more else "",
    )


async def _fitting(journal: Journal, recall: Recall, turns: Sequence[Spoken]) -> list[list[bytes]]:
    """Of the turns, in the order in which they are wanted, those that fit into a page."""
    taken: list[list[bytes]] = []
    room = PAGE_BYTES
    async with aclosing(_told(journal, recall, turns)) as all_told:
        async for both in all_told:
            room -= sum(map(len, both))
            if taken and room < 0:
                break
            taken.append(both)
    return taken


async def _told(
    journal: Journal, recall: Recall, turns: Sequence[Spoken]
) -> AsyncGenerator[list[bytes], None]:
    until = asyncio.get_running_loop().time() + LIMIT_S
    for first in range(0, len(turns), _AT_ONCE):
        some = turns[first : first + _AT_ONCE]
        recalled = await recall.of(some, until=until)
        for turn in some:
            known = recalled.get(turn.turn)
            yield _by_journal(journal, turn) if known is None else _by_cli(journal, turn, known)
            await asyncio.sleep(0)  # a long history is read beside everything else


def _by_cli(journal: Journal, turn: Spoken, recalled: Recalled) -> list[bytes]:
    """Its words; how the turn ended, and what it used, stands in its final."""
    request, final = journal.bookmarks.end(turn.turn)
    answer = Answer()
    for kind, data in recalled.events:
        answer.hear(kind, data)
    answer.add(final)
    request.send_message.content = recalled.text
    return told(turn, request.send_message, answer, Source.CLI)


def _by_journal(journal: Journal, turn: Spoken) -> list[bytes]:
    """What it has: at the least that there was a turn, and how it ended."""
    answer = Answer()
    if turn.kept:
        request, responses = journal.history.said(turn.turn), journal.history.responses(turn.turn)
        for response in responses:
            answer.add(response)
    else:
        request, final = journal.bookmarks.end(turn.turn)
        answer.add(final)
    return told(turn, request.send_message, answer, Source.JOURNAL)


def _place(cursor: str) -> int:
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid("cursor: one that a page before has told is needed")
    return int(cursor or 0)
