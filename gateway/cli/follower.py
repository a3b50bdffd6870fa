"""Following an agent's events, whatever breaks in between."""

import time
from collections.abc import Callable
from contextlib import aclosing

import click
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random

from gateway.cli.api import Api
from gateway.cli.errors import NoGateway, Refused, Trouble
from gateway.cli.receiver import Arrival
from gateway.cli.screen import Screen
from gateway.cli.webhook import Webhook

_MAY_PASS = frozenset({"service_unavailable", "too_many_requests", "internal_server_error"})


class Follower:
    """Shows events as they come, and goes on after the last one when the stream breaks.

    Args:
        turn: of this one only, "": of all.
        after: the seq that was seen last, None: from the oldest that is kept.
        patience_s: how long nothing is heard, comments included, before it is given up.
        broken: told why, once a break; else standard error is.
        opened: told whenever a gateway has answered with a stream.
    """

    def __init__(
        self,
        api: Api,
        agent_id: str,
        *,
        screen: Screen,
        turn: str = "",
        after: int | None = None,
        patience_s: float = 60.0,
        broken: Callable[[Trouble], None] | None = None,
        opened: Callable[[], None] | None = None,
    ) -> None:
        self._api = api
        self._agent_id = agent_id
        self._screen = screen
        self._turn = turn
        self._after = after
        self._patience_s = patience_s
        self._tell_broken = broken or _tell
        self._opened = opened
        self._heard_s = time.monotonic()
        self._broken = False

    async def run(self) -> Webhook:
        """The final of the turn; without a turn it never returns.

        Raises:
            Trouble: it cannot be followed, or nothing was heard for `patience_s`.
        """
        trying = AsyncRetrying(
            retry=retry_if_exception(may_pass),
            stop=self._is_silent,
            wait=wait_random(0.1, 1.0),
            before_sleep=self._break,
            reraise=True,
        )
        return await trying(self._listen)

    async def _listen(self) -> Webhook:
        messages = self._api.stream_events(
            self._agent_id, turn=self._turn, after=self._after, opened=self._opened
        )
        async with aclosing(messages):
            async for body in messages:
                self._heard_s = time.monotonic()
                self._broken = False
                if body and (event := self._show(body)).is_final and self._turn:
                    return event
        raise NoGateway("the gateway ended the stream")

    def _show(self, body: bytes) -> Webhook:
        arrival, event = Arrival.read_back(body)
        self._after = event.seq
        self._screen.arrived(arrival)
        return event

    def _is_silent(self, _: RetryCallState) -> bool:
        return time.monotonic() - self._heard_s > self._patience_s

    def _break(self, state: RetryCallState) -> None:
        """Once a break."""
        if self._broken or state.outcome is None:
            return
        self._broken = True
        error = state.outcome.exception()
        if isinstance(error, Trouble):
            self._tell_broken(error)


def _tell(error: Trouble) -> None:
    click.echo(f"{error.format_message()}; reconnecting", err=True)


def may_pass(error: BaseException) -> bool:
    """Whether the same could succeed in a moment."""
    if isinstance(error, Refused):
        return error.code in _MAY_PASS
    return isinstance(error, NoGateway)
