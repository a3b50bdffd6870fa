"""Replies on their way to who waits for them."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

from agent_runtime.errors import JournalClosed, TooLate
from agent_runtime.journal.prompts import PromptBook
from agent_runtime.journal.rows import Prompt, PromptState
from proto.agent.v1.agent_pb2 import ReplyRequest

MAX_OPEN = 64
"""Prompts of one agent that wait at the same time."""
_UNDER_WAY_S = 10.0
"""How long the reply that won against the end of the wait may take to come round."""


class Waiting:
    """The prompts that wait for a reply. Owned by the runner, in the event loop.

    The journal decides what comes first: a reply, the end of the time, the end of the
    turn. So whoever was told 202 has been heard.
    """

    def __init__(self, book: PromptBook) -> None:
        self._book = book
        self._replies: dict[str, asyncio.Future[ReplyRequest]] = {}

    @property
    def full(self) -> bool:
        return len(self._replies) >= MAX_OPEN

    async def decided(self, prompt: Prompt) -> None:
        """Nobody is asked: a reply will be told so."""
        await self._book.put(replace(prompt, state=PromptState.DECIDED))

    async def reply(
        self, prompt: Prompt, *, within_s: float, given_up: asyncio.Event
    ) -> ReplyRequest | None:
        """What the user answers, None when the time is up or it is given up."""
        reply: asyncio.Future[ReplyRequest] = asyncio.get_running_loop().create_future()
        self._replies[prompt.prompt_id] = reply
        state = PromptState.ENDED
        try:
            await self._book.put(prompt)
            if not await _first(reply, given_up, within_s):
                state = PromptState.ENDED if given_up.is_set() else PromptState.EXPIRED
                if await self._book.close(prompt.prompt_id, state):
                    return None
            async with asyncio.timeout(_UNDER_WAY_S):
                return await reply
        except TimeoutError:
            return None
        finally:
            if self._replies.get(prompt.prompt_id) is reply:
                del self._replies[prompt.prompt_id]
            if not reply.done():
                reply.cancel()
                with contextlib.suppress(JournalClosed):  # the CLI has withdrawn it
                    self._book.close(prompt.prompt_id, state)

    def answer(self, reply: ReplyRequest) -> None:
        """Hand over what the journal has accepted. Raises TooLate."""
        waits = self._replies.get(reply.prompt_id)
        if waits is None or waits.done():
            raise TooLate(f"prompt {reply.prompt_id}: nobody waits for it any more")
        waits.set_result(reply)


async def _first(
    reply: "asyncio.Future[ReplyRequest]", given_up: asyncio.Event, within_s: float
) -> bool:
    """Whether the reply comes before the end of the wait."""
    giving_up = asyncio.create_task(given_up.wait(), name="prompt-given-up")
    ends: set[asyncio.Future[Any]] = {reply, giving_up}
    try:
        await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        giving_up.cancel()
    return reply.done()
