"""The official JSON schemas as a judge for frames that a simulated charge point sends.

Draft 4, as they say (R41), and with `format: date-time` taken seriously.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_CHECKER = FormatChecker(formats=())


@_CHECKER.checks("date-time")
def _is_date_time(text: object) -> bool:
    return not isinstance(text, str) or _DATE_TIME.fullmatch(text) is not None


@cache
def _validator(name: str) -> Draft4Validator:
    text = files("ocpp").joinpath("v16", "schemas", f"{name}.json").read_text("utf-8-sig")
    # multipleOf 0.1 only works with decimals.
    schema = json.loads(text, parse_float=Decimal)
    return Draft4Validator(schema, format_checker=_CHECKER)


def faults(name: str, payload: Any) -> list[str]:
    """What the schema `name` (an action, or an action and Response) finds wrong, as `path:
    validator`, where a position in a list is left out."""
    decimal = json.loads(json.dumps(payload), parse_float=Decimal)
    return [
        ".".join(part for part in error.absolute_path if isinstance(part, str))
        + f": {error.validator}"
        for error in _validator(name).iter_errors(decimal)
    ]
