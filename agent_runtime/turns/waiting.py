"""Replies on their way to who waits for them."""

import asyncio
import contextlib
from typing import Any

from agent_runtime.errors import JournalClosed, TooLate
from agent_runtime.journal.prompts import PromptBook
from agent_runtime.journal.rows import PromptState
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

    def expect(self, prompt_id: str, given_up: asyncio.Event) -> "Expected":
        """Hear the reply to a prompt, which is journalled only after this."""
        reply: asyncio.Future[ReplyRequest] = asyncio.get_running_loop().create_future()
        self._replies[prompt_id] = reply
        reply.add_done_callback(lambda _: self._forget(prompt_id, reply))
        return Expected(self._book, prompt_id, reply, given_up)

    def answer(self, reply: ReplyRequest) -> None:
        """Hand over what the journal has accepted. Raises TooLate."""
        waits = self._replies.get(reply.prompt_id)
        if waits is None or waits.done():
            raise TooLate(f"prompt {reply.prompt_id}: nobody waits for it any more")
        waits.set_result(reply)

    def _forget(self, prompt_id: str, reply: "asyncio.Future[ReplyRequest]") -> None:
        if self._replies.get(prompt_id) is reply:
            del self._replies[prompt_id]


class Expected:
    """The reply to one prompt. One task waits for it; any may withdraw the prompt."""

    def __init__(
        self,
        book: PromptBook,
        prompt_id: str,
        reply: "asyncio.Future[ReplyRequest]",
        given_up: asyncio.Event,
    ) -> None:
        self._book = book
        self._prompt_id = prompt_id
        self._reply = reply
        self._given_up = given_up

    async def reply(self, *, within_s: float) -> ReplyRequest | None:
        """What the user answers, None when the time is up or it is given up."""
        try:
            if not await self._first(within_s):
                state = PromptState.ENDED if self._given_up.is_set() else PromptState.EXPIRED
                if await self._book.close(self._prompt_id, state):
                    self._reply.cancel()
                    return None
            async with asyncio.timeout(_UNDER_WAY_S):
                return await self._reply
        except TimeoutError:
            return None
        finally:
            self.withdraw()

    def withdraw(self) -> None:
        """Nobody waits for it any more. Nothing once there is a reply, or none any more."""
        if self._reply.done():
            return
        self._reply.cancel()
        with contextlib.suppress(JournalClosed):
            self._book.close(self._prompt_id, PromptState.ENDED)

    async def _first(self, within_s: float) -> bool:
        """Whether the reply comes before the end of the wait."""
        giving_up = asyncio.create_task(self._given_up.wait(), name="prompt-given-up")
        ends: set[asyncio.Future[Any]] = {self._reply, giving_up}
        try:
            await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            giving_up.cancel()
        return self._reply.done()
