"""Logs: one event a line with its fields, as JSON on standard output.

Code logs an event's name and puts what belongs to it into `extra`; what may be
secret is put nowhere.
"""

import json
import logging
import sys
from datetime import UTC, datetime

_NO_FIELDS = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})


def configure() -> None:
    """Send this process's logs to standard output, from info level on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class JsonFormatter(logging.Formatter):
    """ASCII only, so that nothing in a value can break a line or fail to be written."""

    _encode = json.JSONEncoder(default=str).encode

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in vars(record).items() if name not in _NO_FIELDS}
        line = {
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **fields,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return self._encode(line)
