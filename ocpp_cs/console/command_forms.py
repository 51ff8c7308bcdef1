"""Forms of commands: made from the types that go on the wire, by way of their JSON schemas.

A field is named by the path of its property, as msgspec writes it in errors:
`csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit`. Nothing is validated here:
what was entered becomes a payload, and `commands.orders` says what it thinks of that.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from ocpp_cs.api.payloads import schemas
from ocpp_cs.ocpp16.messages import Action
from ocpp_cs.ocpp16.times import format_time

Kind = Literal["text", "long", "lines", "integer", "number", "time", "choice", "group", "rows"]
Schema: TypeAlias = Mapping[str, Any]
Values: TypeAlias = Mapping[str, str]

MOST_ROWS = 200
_LONG = 800  # characters from which on a text gets several lines
_LONG_NAMES = frozenset(("data",))
# A value of nothing is a value.
_MAY_BE_EMPTY = frozenset(("ChangeConfigurationRequest.value",))
_ROW = re.compile(r"(?P<list>[^\[\]]*)\[(?P<number>\d{1,4})\](?P<rest>.*)")
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NAMED = re.compile(r" in `(?P<name>\w+)`$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """An input, or with `fields` or `rows` a group of them. `name` is the property's."""

    path: str
    name: str
    kind: Kind
    required: bool
    value: str = ""
    errors: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    example: str = ""
    longest: int | None = None
    least: int | None = None
    most: int | None = None
    fields: tuple[Field, ...] = ()
    rows: tuple[tuple[Field, ...], ...] = ()

    @property
    def filled(self) -> bool:
        """Whether something stands in it, or is wrong with it: then it is shown unfolded."""
        inner = [*self.fields, *(each for row in self.rows for each in row)]
        return bool(self.value or self.errors) or any(each.filled for each in inner)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of an action, and what is wrong with none of them in particular."""

    fields: tuple[Field, ...]
    errors: tuple[str, ...]


def entered(form: Mapping[str, str]) -> Values:
    """What was typed in, by path: nothing blank, and the rows of lists numbered without gaps."""
    typed = {path: text for path, text in form.items() if text.strip()}
    found = [match for path in typed if (match := _ROW.fullmatch(path))]
    numbers = sorted({(match["list"], int(match["number"])) for match in found})
    lists: dict[str, list[int]] = {}
    for name, number in numbers:
        lists.setdefault(name, []).append(number)

    def renumbered(path: str) -> str:
        match = _ROW.fullmatch(path)
        if match is None:
            return path
        place = lists[match["list"]].index(int(match["number"]))
        return f"{match['list']}[{place}]{match['rest']}"

    return {renumbered(path): text for path, text in typed.items()}


def payload_of(action: Action, values: Values, zone: ZoneInfo) -> bytes:
    """The payload that was entered; times without an offset are of that zone."""
    part = action.request.__name__
    return json.dumps(_object(part, "", values, zone, needed=True)).encode()


def form_of(
    action: Action, values: Values, errors: Mapping[str, list[str]], more_rows_of: str = ""
) -> Form:
    """The form of an action, as far as it is filled in. One list may get a row more."""
    part = action.request.__name__
    fields = _fields(part, "", values, {}, more_rows_of, required=True)
    if not errors:
        return Form(fields, ())
    known = [each.path for each in _all(fields)]
    placed = {_place(path, texts, known): texts for path, texts in errors.items()}
    fields = _fields(part, "", values, placed, more_rows_of, required=True)
    lost = (each for path, texts in placed.items() if path not in known for each in texts)
    return Form(fields, tuple(lost))


# --- From what was entered to a payload -----------------------------------------------------------


def _object(
    part: str, path: str, values: Values, zone: ZoneInfo, *, needed: bool
) -> dict[str, Any]:
    """`needed`: whether it has to be there; then what is missing is missing within its parts."""
    schema = schemas()[part]
    made = {}
    for name, content in schema["properties"].items():
        place = f"{path}{name}"
        inner = needed and name in schema["required"]
        value = _value(content, place, values, zone, needed=inner)
        if value is None and f"{part}.{name}" in _MAY_BE_EMPTY:
            value = ""
        if value is not None:
            made[name] = value
    return made


def _value(content: Schema, path: str, values: Values, zone: ZoneInfo, *, needed: bool) -> Any:
    """None for what was left blank. What does not fit its kind stays a text, to be refused."""
    kind = _kind(path, content)
    if kind == "group":
        whole = _object(_part(content), f"{path}.", values, zone, needed=needed)
        return whole if whole or needed else None
    if kind == "rows":
        part = _part(content["items"])
        numbers = range(_rows_of(path, values))
        rows = [_object(part, f"{path}[{row}].", values, zone, needed=True) for row in numbers]
        return rows or None
    text = values.get(path)
    if text is None:
        return None
    if kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if kind == "long":
        return text.replace("\r\n", "\n")
    return _READ[kind](text.strip(), zone)


def _integer(text: str, _: ZoneInfo) -> int | str:
    return int(text) if _WHOLE.fullmatch(text) else text


def _number(text: str, _: ZoneInfo) -> float | str:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def sent_time(text: str, zone: ZoneInfo) -> str:
    """A time as OCPP and the API have it; what is none stays as it is, to be refused."""
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=zone)
        return format_time(at.astimezone(UTC))
    except (ValueError, OverflowError):
        return text


def _text(text: str, _: ZoneInfo) -> str:
    return text


_READ = {"integer": _integer, "number": _number, "time": sent_time, "choice": _text, "text": _text}


# --- From schemas to fields -----------------------------------------------------------------------


def _fields(
    part: str,
    path: str,
    values: Values,
    errors: Mapping[str, list[str]],
    more: str,
    *,
    required: bool,
) -> tuple[Field, ...]:
    """`required`: whether all that contains these fields has to be there."""
    schema = schemas()[part]
    return tuple(
        _field(
            content,
            f"{path}{name}",
            values,
            errors,
            more,
            # A browser would not let an empty one go.
            required=required
            and name in schema["required"]
            and f"{part}.{name}" not in _MAY_BE_EMPTY,
        )
        for name, content in schema["properties"].items()
    )


def _field(
    content: Schema,
    path: str,
    values: Values,
    errors: Mapping[str, list[str]],
    more: str,
    *,
    required: bool,
) -> Field:
    kind = _kind(path, content)
    fields: tuple[Field, ...] = ()
    rows: tuple[tuple[Field, ...], ...] = ()
    if kind == "group":
        part = _part(content)
        fields = _fields(part, f"{path}.", values, errors, more, required=required)
    elif kind == "rows":
        part = _part(content["items"])
        count = max(_rows_of(path, values), 1) + (more == path)
        rows = tuple(
            _fields(part, f"{path}[{each}].", values, errors, more, required=required and not each)
            for each in range(min(count, MOST_ROWS))
        )
    example = content.get("example", "")
    return Field(
        path=path,
        name=_name(path),
        kind=kind,
        required=required,
        value=values.get(path, ""),
        errors=tuple(errors.get(path, ())),
        choices=tuple(content.get("enum", ())),
        example=str(example) if kind in ("text", "integer", "number") else "",
        longest=content.get("maxLength"),
        least=content.get("minimum"),
        most=content.get("maximum"),
        fields=fields,
        rows=rows,
    )


def _kind(path: str, content: Schema) -> Kind:
    if "$ref" in content:
        return "group"
    if content.get("type") == "array":
        return "rows" if "$ref" in content["items"] else "lines"
    if "enum" in content:
        return "choice"
    if content["type"] == "integer":
        return "integer"
    if content["type"] == "number":
        return "number"
    if content.get("format") == "date-time":
        return "time"
    is_long = content.get("maxLength", 0) >= _LONG or _name(path) in _LONG_NAMES
    return "long" if is_long else "text"


def _part(content: Schema) -> str:
    """The name of the type that a schema refers to."""
    return str(content["$ref"]).rpartition("ocpp16.")[2]


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _rows_of(path: str, values: Values) -> int:
    matches = (_ROW.fullmatch(each) for each in values)
    numbers = [int(match["number"]) for match in matches if match and match["list"] == path]
    return min(max(numbers, default=-1) + 1, MOST_ROWS)


def _all(fields: tuple[Field, ...]) -> Iterator[Field]:
    for field in fields:
        yield field
        yield from _all(field.fields)
        for row in field.rows:
            yield from _all(row)


def _place(path: str, texts: list[str], known: list[str]) -> str:
    """The path of the field that an error is about: what a type as a whole refuses names the
    property in its text, and may mean one of a part within it."""
    named = _NAMED.search(texts[0])
    if named is None:
        return path
    within = [
        each
        for each in known
        if _name(each) == named["name"] and (path == "payload" or each.startswith(f"{path}."))
    ]
    return within[0] if len(within) == 1 else path
