"""Our types against the 78 official schemas: whatever one side refuses, the other refuses too.

The table DIFFERENCES is the whole list of exceptions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft4Validator

from ocpp_cs.ocpp16.messages import ACTIONS

from .schemas import Mutation, mutations, payload, places, schema, schema_names, schema_text

TURNS = 30
"""More than the longest enumeration has values (Measurand, 22)."""


class Difference(NamedTuple):
    """Where we deliberately judge otherwise: kind of fault, schema, place, verdicts, reason."""

    kind: str
    schema: str
    place: str
    official: bool
    ours: bool
    reason: str


_REGISTER = "meter registers are read with 64 bits, as the schema allows: big meters need it"
_BOUNDED = "the schema names no bounds; an integer that no database column takes is refused"
_SENT = "a date-time that only the central system sends: it must be one (format is an assertion)"

# The first row that fits a fault counts. A fault that fits none is refused by both sides.
DIFFERENCES = (
    Difference("beyond 32 bits", "StartTransaction", "meterStart", True, True, _REGISTER),
    Difference("beyond 32 bits", "StopTransaction", "meterStop", True, True, _REGISTER),
    Difference("beyond 32 bits", "*", "*", True, False, _BOUNDED),
    Difference("beyond 64 bits", "*", "*", True, False, _BOUNDED),
    Difference("not RFC 3339", "ReserveNow", "expiryDate", True, False, _SENT),
    Difference("not RFC 3339", "GetDiagnostics", "startTime", True, False, _SENT),
    Difference("not RFC 3339", "GetDiagnostics", "stopTime", True, False, _SENT),
    Difference("not RFC 3339", "UpdateFirmware", "retrieveDate", True, False, _SENT),
    Difference("not RFC 3339", "SetChargingProfile", "csChargingProfiles.*", True, False, _SENT),
    Difference("not RFC 3339", "RemoteStartTransaction", "chargingProfile.*", True, False, _SENT),
    Difference("not RFC 3339", "SendLocalList", "*.expiryDate", True, False, _SENT),
    Difference("not RFC 3339", "GetLog", "log.*Timestamp", True, False, _SENT),
    Difference("not RFC 3339", "SignedUpdateFirmware", "firmware.*DateTime", True, False, _SENT),
    Difference(
        "not RFC 3339",
        "*",
        "*",
        True,
        True,
        "what charge points send is read by the tolerant parser of times.py (R24)",
    ),
    Difference(
        "Hertz",
        "StopTransaction",
        "transactionData.sampledValue.unit",
        False,
        True,
        "MeterValues has Hertz; Frequency may be sampled in transactionData as well (§7.45)",
    ),
)


def difference(name: str, mutation: Mutation) -> Difference | None:
    """The row of the table that a fault falls under."""
    for row in DIFFERENCES:
        if (
            row.kind == mutation.kind
            and fnmatchcase(name, row.schema)
            and fnmatchcase(mutation.place, row.place)
        ):
            return row
    return None


def official_accepts(name: str, text: str) -> bool:
    # Both sides in Decimal: in binary 21.4 is no multiple of 0.1.
    validator = Draft4Validator(json.loads(schema_text(name), parse_float=Decimal))
    return bool(validator.is_valid(json.loads(text, parse_float=Decimal)))


def ours_accepts(name: str, text: str) -> bool:
    action = ACTIONS[name.removesuffix("Response")]
    decoder = action.response_decoder if name.endswith("Response") else action.request_decoder
    try:
        decoder.decode(text)
    except ValueError:
        return False
    return True


def valid_payloads(name: str) -> list[Any]:
    """The payload of required properties only, and full ones with each value in turn."""
    minimal = payload(schema(name), 0, optional=False)
    return [minimal, *(payload(schema(name), turn) for turn in range(TURNS))]


def all_mutations(name: str) -> Iterator[Mutation]:
    """Every single fault, in payloads whose arrays have no, one and two items in turn."""
    for turn in range(3):
        yield from mutations(schema(name), payload(schema(name), turn))


def test_every_schema_has_a_type_and_every_type_a_schema() -> None:
    ours = {name for action in ACTIONS for name in (action, f"{action}Response")}
    assert ours == set(schema_names())
    assert len(ours) == 78


@pytest.mark.parametrize("name", schema_names())
def test_valid_payloads_are_accepted_by_both(name: str) -> None:
    for valid in valid_payloads(name):
        text = json.dumps(valid)
        assert official_accepts(name, text), text
        assert ours_accepts(name, text), text


@pytest.mark.parametrize("name", schema_names())
def test_each_optional_property_may_be_absent(name: str) -> None:
    full = payload(schema(name), 1)
    required = schema(name).get("required", ())
    for absent in [key for key in full if key not in required]:
        text = json.dumps({key: full[key] for key in full if key != absent})
        assert official_accepts(name, text), text
        assert ours_accepts(name, text), text


@pytest.mark.parametrize("name", schema_names())
def test_each_single_fault_is_refused_by_both(name: str) -> None:
    for mutation in all_mutations(name):
        row = difference(name, mutation)
        expected = (row.official, row.ours) if row else (False, False)
        text = json.dumps(mutation.payload)
        verdicts = (official_accepts(name, text), ours_accepts(name, text))
        assert verdicts == expected, (mutation.kind, mutation.place, text)


@pytest.mark.parametrize("name", schema_names())
def test_every_place_of_the_tree_is_mutated(name: str) -> None:
    assert {m.place for m in all_mutations(name) if m.kind == "null"} == set(places(schema(name)))


def test_every_difference_is_met() -> None:
    met = {
        difference(name, mutation) for name in schema_names() for mutation in all_mutations(name)
    }
    assert met - {None} == set(DIFFERENCES)
