"""The fields that resources and parameters are made of, each with what it means and an example.

A field says its unit and how its value looks in JSON (`plain`); what a resource consists of stands
in the resource's own module. Parameters are read strictly: what is not exactly right is refused,
since a filter that was read otherwise than meant gives wrong figures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError, fields, validate

from ocpp_cs import rules
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.spreadsheets import quoted

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
TEXT_MAX = 255  # characters of a parameter

_EXACT = 2**53  # from here on a double is no exact whole number

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
# RFC 3339. A plus sign that was not percent-encoded arrives as a blank.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+ -])(\d\d):(\d\d))",
    re.ASCII,
)
_NOT_A_TIME = "Not a time of RFC 3339 with its offset, such as 2021-11-10T14:00:00Z."


# A column's values in the order of its rows; None is null.
Values = Sequence[Any]


class _Described(fields.Field[Any]):
    """The description, example and unit of a field, for the OpenAPI document."""

    def __init__(
        self,
        description: str,
        example: Any,
        *,
        unit: str | None = None,
        nullable: bool = False,
        required: bool = True,
        choices: Sequence[str] = (),
        **arguments: Any,
    ) -> None:
        metadata = {"description": description, "example": example}
        if unit:
            metadata["x-unit"] = unit
        if choices:
            arguments["validate"] = validate.OneOf(choices, error="Must be one of: {choices}.")
        super().__init__(metadata=metadata, allow_none=nullable, required=required, **arguments)

    # Makes of a value, never None, what JSON has for it, and of that what a CSV cell has for it;
    # None where that is the value itself.
    plain: Callable[[Any], Any] | None = None
    cell: Callable[[Any], Any] | None = None

    def plains(self, values: Values) -> Values:
        """What JSON has for the values of a column."""
        return _each(self.plain, values)

    def cells(self, plains: Values) -> Values:
        """What CSV has for what JSON has."""
        return _each(self.cell, plains)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value if value is None or self.plain is None else self.plain(value)


class Text(_Described, fields.String):
    """A text; a NUL, which no database column can hold, is refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text:
            raise self.make_error("invalid")
        return text

    def cell(self, value: str) -> str:
        """A text that a spreadsheet would run as a formula gets a quote before it."""
        return quoted(value)


class Whole(_Described, fields.Integer):
    """A whole number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is int:
            return value
        if not isinstance(value, str) or not _WHOLE_NUMBER.fullmatch(value):
            raise self.make_error("invalid")
        return int(value)


class Number(_Described, fields.Float):
    """A number; whole ones are written without a fraction, and what is no number as null."""

    def plain(self, value: float) -> float | None:
        if not math.isfinite(value):
            return None
        return int(value) if value == int(value) and abs(value) < _EXACT else value

    def plains(self, values: Values) -> Values:
        try:  # as `plain`, at half of its time
            return [
                v if v is None else int(v) if v == int(v) and -_EXACT < v < _EXACT else v
                for v in values
            ]
        except (ValueError, OverflowError):  # not finite
            return super().plains(values)

    def cells(self, plains: Values) -> Values:
        """Written out where JSON and Python write an exponent each in its own way."""
        return [
            v if v is None or type(v) is int or 1e-3 < abs(v) < 1e15 else str(v) for v in plains
        ]


class Truth(_Described, fields.Boolean):
    truthy = {"true", "1"}  # noqa: RUF012
    falsy = {"false", "0"}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):  # of a body
            return value
        text = value.lower() if isinstance(value, str) else value
        return bool(super()._deserialize(text, attr, data, **kwargs))

    def cell(self, value: bool) -> str:
        return "true" if value else "false"


class Time(_Described, fields.DateTime):
    """A time, written in UTC with milliseconds and Z, read with any offset but not without."""

    def plain(self, value: datetime) -> str:
        return format_time(value)

    def plains(self, values: Values) -> Values:
        """Also of texts that the database has made (`db.queries.scans`)."""
        return [v if v is None or type(v) is str else format_time(v) for v in values]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        match = _TIME.fullmatch(value) if isinstance(value, str) else None
        try:
            if match is not None:
                return _read_time(*match.groups())
        except (ValueError, OverflowError):
            pass
        raise self.make_error("invalid", input=value, obj_type="")

    default_error_messages = {"invalid": _NOT_A_TIME}  # noqa: RUF012


class JsonObject(_Described, fields.Dict):
    """An object of any content, which is stored as the text of its JSON."""

    def plain(self, value: str) -> Any:
        return msgspec.json.decode(value)

    def cell(self, value: Any) -> str:
        return msgspec.json.encode(value).decode()


class AnyJson(_Described, fields.Raw):
    """Whatever a charge point answered, which is stored as a text: as JSON, where it is such."""

    def plain(self, value: str) -> Any:
        """Copied, not read: no number and no nesting in it can trouble who writes it."""
        # Line ends can stand between its parts only; a line of JSON Lines has none.
        try:
            return _ANY_JSON.decode(value.replace("\n", " ").replace("\r", " "))
        except (ValueError, RecursionError):
            return value

    def cell(self, value: Any) -> str:
        if isinstance(value, msgspec.Raw):
            return bytes(value).decode()
        return quoted(str(value))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return value


_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)


class Flags(_Described, fields.List[Any]):
    """Flags of a transaction by their names."""

    def __init__(self, description: str, example: list[str]) -> None:
        names = [name for flag in rules.TransactionFlag for name in rules.flag_names(flag)]
        inner = fields.String(validate=validate.OneOf(names))
        super().__init__(description, example, cls_or_instance=inner)

    def plain(self, value: int) -> tuple[str, ...]:
        return _flag_names(value)

    def plains(self, values: Values) -> Values:
        return list(map(_flag_names, values))

    def cell(self, value: tuple[str, ...]) -> str:
        return " ".join(value)

    def cells(self, plains: Values) -> Values:
        return list(map(" ".join, plains))


class Words(_Described, fields.List[Any]):
    """A list of texts, each once, which is stored as the text of its JSON; null is all of them."""

    def __init__(self, description: str, example: list[str], inner: Text, **also: Any) -> None:
        super().__init__(description, example, cls_or_instance=inner, **also)
        self.metadata = {**self.metadata, "uniqueItems": True}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        words: list[Any] = super()._deserialize(value, attr, data, **kwargs)
        if len(set(words)) < len(words):
            raise ValidationError("The same more than once.")
        return words

    def plain(self, value: str) -> Any:
        return msgspec.json.decode(value)

    def cell(self, value: list[str]) -> str:
        return quoted(" ".join(value))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else self.plain(value)


class Each(_Described, fields.List[Any]):
    """A list of parts that have a schema of their own."""

    def __init__(self, schema: type[Schema], description: str) -> None:
        super().__init__(description, [example_of(schema)], cls_or_instance=fields.Nested(schema))

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return fields.List._serialize(self, value, attr, obj, **kwargs)


class Row(Schema):
    """Base of the schemas of answers. Clients must expect that fields are added."""

    class Meta:
        unknown = "exclude"


def _each(change: Callable[[Any], Any] | None, values: Values) -> Values:
    if change is None:
        return values
    return [None if value is None else change(value) for value in values]


@lru_cache(1024)
def _flag_names(flags: int) -> tuple[str, ...]:
    return tuple(rules.flag_names(flags))


def example_of(schema: type[Schema]) -> dict[str, Any]:
    """A whole resource, made of the examples of its fields."""
    return {name: field.metadata["example"] for name, field in schema().fields.items()}


def wanted_text(description: str, example: str) -> Text:
    """A parameter that filters by a text."""
    return Text(description, example, required=False, validate=text_range())


def text_range(highest: int = TEXT_MAX, lowest: int = 1) -> validate.Length:
    return validate.Length(min=lowest, max=highest)


def number_range(lowest: int, highest: int) -> validate.Range:
    return validate.Range(min=lowest, max=highest)


def _read_time(
    date: str, time: str, fraction: str | None, zulu: str | None, sign: str, *offset: str
) -> datetime:
    """UTC in whole milliseconds, rounded up: stored times are whole, and ranges half-open."""
    at = datetime.fromisoformat(f"{date}T{time}+00:00")
    if not zulu:
        hours, minutes = map(int, offset)
        if hours > 23 or minutes > 59:
            raise ValueError("no such offset")
        east = timedelta(hours=hours, minutes=minutes)
        at = at + east if sign == "-" else at - east
    nanoseconds = int((fraction or "").ljust(9, "0"))
    return at.astimezone(UTC) + timedelta(milliseconds=-(-nanoseconds // 1_000_000))
