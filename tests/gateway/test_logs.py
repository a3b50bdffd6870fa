"""Logs: one event a line, with its fields."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway import logs
from gateway.settings import Settings


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """The root logger as it was, afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("gateway")
    before = list(root.handlers), root.level, ours.level
    for handler in before[0]:
        root.removeHandler(handler)
    yield
    root.handlers[:], root.level = before[0], before[1]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def logged(settings: Settings, *, failing: bool = False) -> str:
    stream = io.StringIO()
    logs.configure(settings, stream)
    logger = logging.getLogger("gateway.somewhere")
    logger.debug("hidden")
    logger.info("relay_closed", extra={"agent": "a1", "reason": 'it "went"\naway \x1b[31m'})
    if failing:
        try:
            int("why")
        except ValueError:
            logger.exception("failed")
    logging.getLogger("other").info("not ours")
    return stream.getvalue()


def test_json_has_a_field_each() -> None:
    """Machines get time, level, logger, event and the fields; hostile values stay one line."""
    (line,) = logged(Settings()).splitlines()
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "INFO",
        "logger": "gateway.somewhere",
        "event": "relay_closed",
        "agent": "a1",
        "reason": 'it "went"\naway \x1b[31m',
    }


def test_text_is_one_readable_line() -> None:
    """People get the same on a line; nothing in a value can break out of it or colour it."""
    (line,) = logged(Settings(log_format="text")).splitlines()
    assert " INFO relay_closed agent=a1 reason=" in line
    assert "\x1b" not in line


def test_debug_shows_more() -> None:
    """DEBUG opens our own loggers only."""
    text = logged(Settings(debug=True, log_format="text"))
    assert "hidden" in text
    assert "not ours" not in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_an_exception_brings_its_traceback(log_format: str) -> None:
    """What nobody expected can be found in the code."""
    settings = Settings(log_format="json" if log_format == "json" else "text")
    assert "ValueError: invalid literal" in logged(settings, failing=True)
