"""Ctrl-C, pressed while a command waits."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

EXIT_STATUS = 130
"""What shells expect of a command that an interrupt ended (128 + SIGINT)."""

_Result = TypeVar("_Result")


@contextlib.contextmanager
def ctrl_c(*signals: signal.Signals) -> Iterator[asyncio.Event]:
    """The first press sets the event, the second cancels the task that entered.

    Args:
        signals: which signals count as presses; SIGINT when none is given.
    """
    loop = asyncio.get_running_loop()
    waiting = asyncio.current_task()
    assert waiting is not None
    pressed = asyncio.Event()

    def press() -> None:
        if pressed.is_set():
            waiting.cancel()
        pressed.set()

    chosen = signals or (signal.SIGINT,)
    for number in chosen:
        loop.add_signal_handler(number, press)
    try:
        yield pressed
    finally:
        for number in chosen:
            loop.remove_signal_handler(number)


async def unless_pressed(work: Coroutine[Any, Any, _Result]) -> _Result | None:
    """The result of the work, None when SIGINT or SIGTERM ended it.

    The first signal cancels the work, which may take its time to put things in
    order; the second one takes that time away.
    """
    with ctrl_c(signal.SIGINT, signal.SIGTERM) as pressed:
        working = asyncio.create_task(work, name="work")
        pressing = asyncio.create_task(pressed.wait(), name="ctrl-c")
        await asyncio.wait({working, pressing}, return_when=asyncio.FIRST_COMPLETED)
        pressing.cancel()
        if pressed.is_set():
            working.cancel()
        try:
            return await working
        except asyncio.CancelledError:
            return None
