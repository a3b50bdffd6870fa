"""Journal rows from a seq, optionally following what comes."""

from collections.abc import Awaitable, Callable

from agent_runtime.journal.cursor import Cursor, encoded
from agent_runtime.journal.journal import Journal
from proto.relay.v1 import relay_pb2

Write = Callable[[relay_pb2.ReplayResponse], Awaitable[None]]


async def replay(journal: Journal, request: relay_pb2.ReplayRequest, write: Write) -> None:
    """Write what the request asks for; returns at its end, or never while it follows all turns.

    Raises:
        UnknownTurn, Trimmed
    """
    turn = journal.turn(request.request_id).turn if request.request_id else None
    after_seq = request.after_seq if request.HasField("after_seq") else None
    cursor = journal.cursor(turn, after_seq, whole=True)
    watch = journal.watch()
    try:
        while True:
            # Asked before the rows are read: what it has ended with is among them then.
            over = turn is not None and journal.turn(request.request_id).ended
            await _write_rows(cursor, write)
            if over or not request.follow:
                return
            await watch.changed()
    finally:
        watch.close()


async def _write_rows(cursor: Cursor, write: Write) -> None:
    while rows := cursor.take():
        await write(relay_pb2.ReplayResponse.FromString(encoded(rows)))
