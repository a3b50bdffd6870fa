"""What the agent asks, until somebody has answered."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from gateway.cli.api import Api
from gateway.cli.chat.asked import Asked, asked_of
from gateway.cli.chat.errands import Errands
from gateway.cli.chat.face import Face
from gateway.cli.chat.turns import OpenTurns, Purpose, new_request_id
from gateway.cli.errors import Refused, Trouble
from gateway.cli.follower import may_pass
from gateway.cli.transcript import Transcript
from gateway.cli.webhook import Webhook

_MOST = 1000
_PAUSE_S = 0.3
_SETTLED = frozenset({"conflict", "gone", "not_found"})


class Asking:
    """Shows one prompt at a time, and takes what is typed for its answer. Event loop only.

    An asked event alone does not say that anybody waits: the agent's policy may have
    decided. So the gateway is asked what is open.
    """

    def __init__(
        self,
        api: Api,
        agent_id: str,
        *,
        face: Face,
        paper: Transcript,
        turns: OpenTurns,
        errands: Errands,
        changed: Callable[[], None],
    ) -> None:
        self._api = api
        self._agent_id = agent_id
        self._face = face
        self._paper = paper
        self._turns = turns
        self._errands = errands
        self._changed = changed
        self._heard: OrderedDict[str, Webhook] = OrderedDict()
        """Asked, and not known to wait."""
        self._looking = False
        self._open: OrderedDict[str, tuple[str, Asked]] = OrderedDict()
        """Of each that waits: its turn, and what it is."""
        self._answering = ""
        """The prompt that our answer is on its way to."""

    @property
    def current(self) -> str:
        """The prompt that is asked now, "" for none."""
        return next(iter(self._open), "")

    @property
    def label(self) -> str:
        """What an answer to it looks like."""
        first = next(iter(self._open.values()), None)
        return first[1].label if first is not None else ""

    def heard(self, event: Webhook) -> None:
        """An asked event."""
        self._heard[event.text("prompt_id")] = event
        if len(self._heard) > _MOST:
            self._heard.popitem(last=False)
        if not self._looking:
            self._looking = True
            self._errands.begin("prompts", self._look())

    def settled(self, prompt_id: str) -> bool:
        """Answered; True where it was shown here and is answered by somebody else."""
        self._heard.pop(prompt_id, None)
        shown = prompt_id == self.current and prompt_id != self._answering
        self._drop([prompt_id])
        return shown

    def ended(self, request_id: str) -> None:
        """Nobody waits any more in that turn."""
        for prompt_id in [key for key, event in self._heard.items() if event.turn[1] == request_id]:
            del self._heard[prompt_id]
        self._drop([key for key, (turn, _) in self._open.items() if turn == request_id])

    async def answer(self, prompt_id: str, line: str) -> None:
        """Raises Trouble where it could not be given; unless it is too late, it can be again."""
        if prompt_id != self.current:
            raise Trouble("that was answered before; nothing was sent")
        reply = self._open[prompt_id][1].take(line)
        if isinstance(reply, str):
            self._hint(reply)
            return
        request_id = new_request_id()
        self._turns.open(request_id, Purpose.ORDER)
        self._answering = prompt_id
        try:
            await self._api.answer(self._agent_id, prompt_id, {**reply, "request_id": request_id})
        except Refused as refused:
            if refused.code in _SETTLED:
                self.settled(prompt_id)
            raise
        finally:
            self._answering = ""
        self.settled(prompt_id)

    async def _look(self) -> None:
        """Until all that was heard of is known to wait, or to be settled."""
        try:
            while heard := list(self._heard):
                waiting = await self._waiting()
                for prompt_id in waiting:
                    self._waits(prompt_id)
                for prompt_id in heard:  # what was open before its event came, and is no more
                    self._heard.pop(prompt_id, None)
        finally:
            self._looking = False

    async def _waiting(self) -> list[str]:
        """The prompts that somebody has to answer; there may be no gateway for a while."""
        while True:
            try:
                listed = await self._api.list_prompts(self._agent_id)
            except Trouble as trouble:
                if not may_pass(trouble):
                    raise
                await asyncio.sleep(_PAUSE_S)
            else:
                return [str(prompt.get("prompt_id")) for prompt in listed]

    def _waits(self, prompt_id: str) -> None:
        event = self._heard.pop(prompt_id, None)
        if event is None:
            return
        self._open[prompt_id] = (event.request_id, asked_of(event.kind, event.data))
        if len(self._open) == 1:
            self._face.set_aside()
            self._show()

    def _drop(self, prompt_ids: list[str]) -> None:
        before = next(iter(self._open), None)
        for prompt_id in prompt_ids:
            self._open.pop(prompt_id, None)
        after = next(iter(self._open), None)
        if before is not None and after is None:
            self._face.bring_back()
        if after is not None and after != before:
            self._show()
        self._changed()

    def _hint(self, words: str) -> None:
        if words:
            self._paper.note(words, "yellow")
        else:
            self._show()
        self._changed()

    def _show(self) -> None:
        asked = next(iter(self._open.values()))[1]
        self._paper.block(asked.shown(), "yellow")
        self._changed()
