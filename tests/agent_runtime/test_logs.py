"""The runtime's log: one event a line, with its fields."""

import json
import logging
import sys

from agent_runtime.logs import JsonFormatter


def test_a_line_has_a_field_each_and_stays_a_line() -> None:
    """Machines get time, level, logger, event and the fields; whatever a CLI says in them
    stays on the line, and can be written in any encoding."""
    hostile = 'it "went"\naway \x1b[31m\u2028\ud800\xe9'
    record = logging.makeLogRecord(
        {"levelname": "INFO", "name": "a.b", "msg": "turn_ended", "reason": hostile}
    )
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {"level": "INFO", "logger": "a.b", "event": "turn_ended", "reason": hostile}


def test_an_exception_brings_its_traceback() -> None:
    """What nobody expected can be found in the code."""
    try:
        int("why")
    except ValueError:
        record = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    told = json.loads(JsonFormatter().format(record))
    assert "ValueError: invalid literal" in told["exc_info"]
