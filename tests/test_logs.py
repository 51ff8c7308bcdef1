"""The log: a record in, one line out, in either form; nobody can forge a line (A15)."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.logs import FIELDS, JsonFormatter, TextFormatter, configure, escape

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
FORGED = "x\n2026-01-01T00:00:00.000Z error  \x1b[31mforged\u2028line\x7f\x85"
FORMATTERS = [JsonFormatter(), TextFormatter()]


def record(message: str = "a message", *args: object, **extra: Any) -> logging.LogRecord:
    made = logging.getLogger("ocpp_cs.test").makeRecord(
        "ocpp_cs.test", logging.WARNING, "file.py", 1, message, args, None, extra=extra
    )
    made.created = 1636552800.1239
    return made


def record_of_exception(text: str) -> logging.LogRecord:
    made = record("it failed", charge_point="CP-1")
    try:
        raise ValueError(text)
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_a_line_of_json() -> None:
    line = JsonFormatter().format(record("%d frames", 3, charge_point="CP-1", connection=7))
    assert json.loads(line) == {
        "time": "2021-11-10T14:00:00.123Z",
        "level": "warning",
        "logger": "ocpp_cs.test",
        "message": "3 frames",
        "charge_point": "CP-1",
        "connection": 7,
    }


def test_a_line_of_text() -> None:
    line = TextFormatter().format(record("%d frames", 3, action="Heartbeat", charge_point="CP-1"))
    assert line == ("2021-11-10T14:00:00.123Z warning 3 frames charge_point=CP-1 action=Heartbeat")


@pytest.mark.parametrize("formatter", FORMATTERS)
@given(st.sampled_from(FIELDS), st.text() | st.just(FORGED))
def test_neither_message_nor_field_writes_a_control_character(
    formatter: logging.Formatter, field: str, text: str
) -> None:
    for made in (record("%s", text), record(**{field: text}), record(text.replace("%", ""))):
        assert not CONTROL.search(formatter.format(made))


def test_what_cannot_be_json_is_told_as_text() -> None:
    line = JsonFormatter().format(record(connection=object))
    assert json.loads(line)["connection"] == "<class 'object'>"


def test_json_keeps_a_traceback_in_its_line() -> None:
    line = JsonFormatter().format(record_of_exception(FORGED))
    assert not CONTROL.search(line)
    assert "ValueError: x\n" in json.loads(line)["exception"]


def test_no_line_of_a_traceback_can_be_taken_for_a_record() -> None:
    first, *others = TextFormatter().format(record_of_exception(FORGED)).split("\n")
    assert first.endswith("it failed charge_point=CP-1")
    assert any("ValueError: x" in line for line in others)
    for line in others:
        assert line.startswith(" ")
        assert not CONTROL.search(line)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain ünïcode 🔌", "plain ünïcode 🔌"),
        ("a\r\nb", "a\\u000d\\u000ab"),
        ("\x1b[2J", "\\u001b[2J"),
        ("\x00\x7f\x9f\u2028", "\\u0000\\u007f\\u009f\\u2028"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@pytest.fixture
def our_logger() -> Iterator[logging.Logger]:
    """The project's logger, as it was before when the test has ended."""
    logger = logging.getLogger("ocpp_cs")
    before = (logger.handlers, logger.level, logger.propagate)
    try:
        yield logger
    finally:
        logger.handlers, logger.propagate = before[0], before[2]
        logger.setLevel(before[1])


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "as_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("json", Terminal, True),
        ("text", io.StringIO, False),
    ],
)
def test_the_form_follows_the_setting_and_the_terminal(
    our_logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    form: Any,
    stream: type[io.StringIO],
    as_json: bool,
) -> None:
    output = stream()
    monkeypatch.setattr(sys, "stderr", output)
    configure(form, "info")
    configure(form, "warning")  # configured again: still one line per event
    our_logger.getChild("part").warning("told", extra={"charge_point": "CP-1"})
    our_logger.getChild("part").info("not told")
    our_logger.handlers[0].flush()
    (line,) = output.getvalue().splitlines()
    assert line.startswith("{") == as_json
    assert "CP-1" in line
