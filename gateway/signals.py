"""Signals: the first one asks the process to end, the second one ends it."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

_logger = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def first() -> Iterator[asyncio.Event]:
    """Set by the first signal, which also gives the signals back to the system."""
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()

    def give_back() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    def heard(number: signal.Signals) -> None:
        _logger.info("stopping", extra={"signal": number.name})
        signalled.set()
        give_back()

    for number in _SIGNALS:
        loop.add_signal_handler(number, heard, number)
    try:
        yield signalled
    finally:
        if not signalled.is_set():
            give_back()
            signal.signal(signal.SIGINT, signal.default_int_handler)
