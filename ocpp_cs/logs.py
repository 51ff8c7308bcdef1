"""One line per event: readable on a terminal, JSON elsewhere, with the same fields in both.

It decides the form only. Fields are passed as `extra={"charge_point": ...}`; control characters
never reach the output raw, so that nobody can forge a line (A15).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from ocpp_cs.log_writer import LineHandler

FIELDS = ("charge_point", "connection", "message_id", "action", "remote_address", "reference")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def escape(text: str) -> str:
    """The text with control characters written as escapes."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Time, level, message, and the fields as `name=value`; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        text = f"{record.getMessage()}{fields}"
        line = f"{_time(record)} {record.levelname.lower():7} {escape(text)}"
        if record.exc_info:
            # Indented, since the text of an exception may look like a record.
            traceback = self.formatException(record.exc_info).split("\n")
            line += "".join(f"\n  {escape(part)}" for part in traceback)
        return line


def log_stray(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None, of: str
) -> None:
    """An exception that nobody caught: in one line, and not as a bare traceback. `of`: a thread."""
    if error is None:
        return
    message = f"{escape(of)} ended with an error"
    logging.getLogger("ocpp_cs").error("%s", message, exc_info=(kind, error, traceback))


def configure(form: Literal["auto", "text", "json"], level: str) -> None:
    """Sends our log to standard error in the form asked for; `auto` looks for a terminal."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    handler = LineHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logger = logging.getLogger("ocpp_cs")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
