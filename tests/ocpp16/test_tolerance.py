"""The slow way of reading: it must agree with the fast one wherever both can read.

Single frames with their deviations are in tests/samples, read by test_session.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from ocpp_cs.ocpp16.errors import CallError
from ocpp_cs.ocpp16.messages import ACTIONS, FROM_CHARGE_POINT
from ocpp_cs.ocpp16.messages.core import MeterValuesRequest, StopTransactionRequest
from ocpp_cs.ocpp16.tolerance import (
    MAX_DETAIL,
    MAX_DEVIATIONS,
    MAX_UNREADABLE_ITEMS,
    TOLERANT_ACTIONS,
    Deviation,
    read_request,
    read_response,
)

from .schemas import mutations, payload, schema

TURNS = 12
STRICTLY_READ = sorted(set(ACTIONS) - TOLERANT_ACTIONS)


def read(name: str, value: Any, *, strict: bool = False) -> tuple[msgspec.Struct, Any]:
    """Read the payload of a request, or of a response if `name` ends with Response."""
    action = ACTIONS[name.removesuffix("Response")]
    reader = read_response if name.endswith("Response") else read_request
    return reader(action, json.dumps(value).encode(), strict=strict)


def names() -> list[str]:
    return [*ACTIONS, *(f"{name}Response" for name in ACTIONS)]


@pytest.mark.parametrize("name", names())
def test_a_valid_payload_has_no_deviations(name: str) -> None:
    for turn in range(TURNS):
        _, deviations = read(name, payload(schema(name), turn))
        assert deviations == ()


@pytest.mark.parametrize("name", names())
def test_an_unknown_property_changes_nothing_else(name: str) -> None:
    for turn in range(TURNS):
        valid = payload(schema(name), turn)
        expected, _ = read(name, valid)
        got, deviations = read(name, {**valid, "extra": {"deep": [1.5, None]}})
        assert got == expected
        assert deviations == (Deviation("unknown_property", "extra"),)


@pytest.mark.parametrize("name", names())
def test_unknown_properties_are_found_at_every_place(name: str) -> None:
    valid = payload(schema(name), 1)
    expected, _ = read(name, valid)
    for mutation in mutations(schema(name), valid):
        if mutation.kind == "extra property":
            path = f"{mutation.place}.extraProperty".lstrip(".")
            got, deviations = read(name, mutation.payload)
            assert (got, deviations) == (expected, (Deviation("unknown_property", path),))
            with pytest.raises(CallError) as refused:
                read(name, mutation.payload, strict=True)
            assert refused.value.code == "FormationViolation"


@pytest.mark.parametrize("name", [*STRICTLY_READ, *(f"{name}Response" for name in ACTIONS)])
def test_a_fault_has_the_same_code_with_an_unknown_property_beside_it(name: str) -> None:
    for mutation in mutations(schema(name), payload(schema(name), 1)):
        if mutation.kind == "extra property" or not isinstance(mutation.payload, dict):
            continue
        outcomes = []
        for value in (mutation.payload, {**mutation.payload, "extra": 1}):
            try:
                outcomes.append(read(name, value)[0])
            except CallError as error:
                outcomes.append(error.code)  # type: ignore[arg-type]
        assert outcomes[0] == outcomes[1], mutation


# Faults that leave a required property unreadable; every other one is read, or only costs the
# optional property or the one item that it stands in.
FATAL_TO_A_REQUIRED_PROPERTY = {"missing", "null", "beyond 32 bits", "beyond 64 bits"}
NEVER_FATAL = {
    ("StartTransaction", "meterStart", "beyond 32 bits"),  # 64 bits are read
    ("StopTransaction", "meterStop", "beyond 32 bits"),
    ("StopTransaction", "transactionId", "beyond 32 bits"),  # read as -1 (R29)
    ("StopTransaction", "transactionId", "beyond 64 bits"),
}
NOT_A_DEVIATION = {"Hertz", "not RFC 3339"}  # the latter is for times.parse_time to say


@pytest.mark.parametrize("name", sorted(TOLERANT_ACTIONS))
def test_money_data_is_refused_only_for_a_required_property(name: str) -> None:
    top = schema(name)
    valid = payload(top, 2)
    assert all(len(value) == 2 for value in valid.values() if isinstance(value, list))
    for mutation in mutations(top, valid):
        if mutation.kind == "wrong type" or not mutation.place:
            continue  # what can be read of a wrong type stands in tests/samples
        outermost = mutation.place.partition(".")[0]
        # A fault inside one of the two meter values leaves the other one to be read.
        in_an_item = isinstance(mutation.payload.get(outermost), list)
        fatal = (
            mutation.kind in FATAL_TO_A_REQUIRED_PROPERTY
            and outermost in top["required"]
            and not in_an_item
            and (name, mutation.place, mutation.kind) not in NEVER_FATAL
        )
        try:
            _, deviations = read(name, mutation.payload)
        except CallError:
            assert fatal, mutation
        else:
            assert not fatal, mutation
            fits = mutation.place in ("meterStart", "meterStop")
            assert deviations or fits or mutation.kind in NOT_A_DEVIATION, mutation


def test_a_hostile_frame_has_a_bounded_number_of_deviations() -> None:
    sample = {"value": "1", **{f"x{number}": 1 for number in range(1000)}}
    value = {"connectorId": 1, "meterValue": [{"timestamp": "t", "sampledValue": [sample]}]}
    request, deviations = read("MeterValues", value)
    assert isinstance(request, MeterValuesRequest)
    assert len(deviations) == MAX_DEVIATIONS


def test_a_thousand_unreadable_items_are_dropped_and_no_more() -> None:
    good = {"timestamp": "t", "sampledValue": [{"value": "1"}]}
    value: dict[str, Any] = {"connectorId": 1, "meterValue": [good, *[None] * MAX_UNREADABLE_ITEMS]}
    request, deviations = read("MeterValues", value)
    assert isinstance(request, MeterValuesRequest)
    assert len(request.meter_value) == 1
    assert deviations == (Deviation("unreadable_part", "meterValue"),)
    value["meterValue"].append(None)
    with pytest.raises(CallError):
        read("MeterValues", value)


def test_unreadable_items_are_counted_over_the_whole_message() -> None:
    item = {"timestamp": "t", "sampledValue": [{"value": "1"}, *[0] * 900]}
    stop = {"transactionId": 1, "timestamp": "t", "meterStop": 5, "transactionData": [item, item]}
    request, deviations = read("StopTransaction", stop)
    assert request == StopTransactionRequest(transaction_id=1, timestamp="t", meter_stop=5)
    assert deviations[-1] == Deviation("unreadable_part", "transactionData")


def test_the_detail_of_a_deviation_is_bounded() -> None:
    _, deviations = read("Heartbeat", {"x" * 1000: 1})
    assert deviations == (Deviation("unknown_property", "x" * MAX_DETAIL),)


def test_what_charge_points_may_send_is_read_for_every_action() -> None:
    assert set(FROM_CHARGE_POINT) >= TOLERANT_ACTIONS
