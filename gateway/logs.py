"""Logs: one event a line with its fields, as JSON, or readable on a terminal.

Code logs an event's name and puts what belongs to it into `extra`; what may be
secret is put nowhere.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from gateway.settings import Settings

_NO_FIELDS = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
_PLAIN = re.compile(r"[\w./:@+-]+")


def configure(settings: Settings, stream: TextIO = sys.stderr) -> None:
    """Send this process's logs to the stream, ours from info (DEBUG: debug) level on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(settings, stream))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("gateway").setLevel(logging.DEBUG if settings.debug else logging.INFO)


def _formatter(settings: Settings, stream: TextIO) -> logging.Formatter:
    if settings.log_format == "text" or (settings.log_format == "auto" and stream.isatty()):
        return TextFormatter()
    return JsonFormatter()


class JsonFormatter(logging.Formatter):
    """`{"level": "INFO", "logger": "gateway.http", "event": "request", "status": 202, ...}`.

    ASCII only, so that nothing in a value can break a line or fail to be written.
    """

    _encode = json.JSONEncoder(default=str).encode

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **fields_of(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return self._encode(line)


class TextFormatter(logging.Formatter):
    """`12:00:01.123 INFO request method=POST status=202`; hostile values stay on their line."""

    default_time_format = "%H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = _escape_controls(record.message)
        fields = " ".join(f"{name}={_shown(value)}" for name, value in fields_of(record).items())
        line = super().formatMessage(record)
        return f"{line} {fields}" if fields else line


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """What the record's `extra` held."""
    return {name: value for name, value in vars(record).items() if name not in _NO_FIELDS}


def _shown(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _escape_controls(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]
