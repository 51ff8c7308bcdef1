"""The mapping from a validation fault to its code, provoked fault by fault on the real decoders.

This is the contract with msgspec, which words its faults as text only: a release that words one
differently fails here.
"""

from __future__ import annotations

import pytest

from ocpp_cs.ocpp16.errors import FAULT_CODES, CallError, CallErrorCode, error_for_fault
from ocpp_cs.ocpp16.messages import ACTIONS

# payload, action (a response if it ends with Response), code, and how the fault is worded.
FAULTS = (
    ("{}", "Authorize", "ProtocolError", "Object missing required field `idTag`"),
    (
        '{"connectorId":1,"meterValue":[{"timestamp":"t"}]}',
        "MeterValues",
        "ProtocolError",
        "Object missing required field `sampledValue` - at `$.meterValue[0]`",
    ),
    (
        '{"idTag":"a","x":1}',
        "Authorize",
        "FormationViolation",
        "Object contains unknown field `x`",
    ),
    ("[]", "Authorize", "FormationViolation", "Expected `object`, got `array`"),
    ('"a"', "Authorize", "FormationViolation", "Expected `object`, got `str`"),
    (
        '{"idTagInfo":[]}',
        "AuthorizeResponse",
        "TypeConstraintViolation",
        "Expected `object`, got `array` - at `$.idTagInfo`",
    ),
    (
        '{"idTag":5}',
        "Authorize",
        "TypeConstraintViolation",
        "Expected `str`, got `int` - at `$.idTag`",
    ),
    (
        '{"idTag":null}',
        "Authorize",
        "TypeConstraintViolation",
        "Expected `str`, got `null` - at `$.idTag`",
    ),
    (
        '{"listVersion":1.0}',
        "GetLocalListVersionResponse",
        "TypeConstraintViolation",
        "Expected `int`, got `float` - at `$.listVersion`",
    ),
    (
        '{"configurationKey":[{"key":"k","readonly":1}]}',
        "GetConfigurationResponse",
        "TypeConstraintViolation",
        "Expected `bool`, got `int` - at `$.configurationKey[0].readonly`",
    ),
    (
        '{"connectorId":1,"meterValue":{}}',
        "MeterValues",
        "TypeConstraintViolation",
        "Expected `array`, got `object` - at `$.meterValue`",
    ),
    (
        '{"connectorId":1,"meterValue":[]}',
        "MeterValues",
        "OccurenceConstraintViolation",
        "Expected `array` of length >= 1 - at `$.meterValue`",
    ),
    (
        '{"idTag":"%s"}' % ("x" * 21),
        "Authorize",
        "PropertyConstraintViolation",
        "Expected `str` of length <= 20 - at `$.idTag`",
    ),
    (
        '{"status":"Sleeping"}',
        "FirmwareStatusNotification",
        "PropertyConstraintViolation",
        "Invalid enum value 'Sleeping' - at `$.status`",
    ),
    (
        '{"listVersion":2147483648}',
        "GetLocalListVersionResponse",
        "PropertyConstraintViolation",
        "Expected `int` <= 2147483647 - at `$.listVersion`",
    ),
    (
        '{"listVersion":-2147483649}',
        "GetLocalListVersionResponse",
        "PropertyConstraintViolation",
        "Expected `int` >= -2147483648 - at `$.listVersion`",
    ),
    (
        '{"listVersion":1%s}' % ("0" * 5000),
        "GetLocalListVersionResponse",
        "PropertyConstraintViolation",
        "Integer value out of range - at `$.listVersion`",
    ),
    (
        '{"status":"Accepted","chargingSchedule":{"chargingRateUnit":"A",'
        '"chargingSchedulePeriod":[],"minChargingRate":1e999}}',
        "GetCompositeScheduleResponse",
        "PropertyConstraintViolation",
        "Number out of range - at `$.chargingSchedule.minChargingRate`",
    ),
    (
        '{"status":"Accepted","chargingSchedule":{"chargingRateUnit":"A",'
        '"chargingSchedulePeriod":[{"startPeriod":0,"limit":21.45}]}}',
        "GetCompositeScheduleResponse",
        "PropertyConstraintViolation",
        "Expected at most one decimal in `limit` "
        "- at `$.chargingSchedule.chargingSchedulePeriod[0]`",
    ),
    (
        '{"connectorId":0,"expiryDate":"tomorrow","idTag":"a","reservationId":1}',
        "ReserveNow",
        "PropertyConstraintViolation",
        "Expected an RFC 3339 date-time in `expiryDate`",
    ),
    ('{"idTag":', "Authorize", "FormationViolation", "Input data was truncated"),
    (
        "{idTag}",
        "Authorize",
        "FormationViolation",
        "JSON is malformed: object keys",
    ),
)


@pytest.mark.parametrize(("payload", "action", "code", "wording"), FAULTS)
def test_each_fault_has_its_code(payload: str, action: str, code: str, wording: str) -> None:
    known = ACTIONS[action.removesuffix("Response")]
    decoder = known.response_decoder if action.endswith("Response") else known.request_decoder
    with pytest.raises(ValueError) as fault:  # noqa: PT011 - the wording is compared below
        decoder.decode(payload)
    assert str(fault.value).startswith(wording)
    error = error_for_fault(str(fault.value))
    assert (error.code, error.description) == (code, str(fault.value))


def test_every_line_of_the_table_is_provoked() -> None:
    met = {
        next((pattern for pattern, _ in FAULT_CODES if pattern.match(wording)), None)
        for *_, wording in FAULTS
    }
    assert met == {pattern for pattern, _ in FAULT_CODES} | {None}


def test_an_unknown_wording_is_a_formation_violation() -> None:
    error = error_for_fault("something that a later release says")
    assert error.code is CallErrorCode.FORMATION_VIOLATION


def test_the_codes_are_spelt_as_in_the_specification() -> None:
    # R11: two of them are misspelt there, and J-err 5.1 and 5.2 keep them so.
    assert {str(code) for code in CallErrorCode} == {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    }


def test_an_error_keeps_its_parts() -> None:
    error = CallError(CallErrorCode.SECURITY_ERROR, "not accepted yet", {"retry": 5})
    assert (error.code, error.description, error.details) == (
        "SecurityError",
        "not accepted yet",
        {"retry": 5},
    )
    assert str(error) == "SecurityError: not accepted yet"
    assert CallError(CallErrorCode.GENERIC_ERROR).details == {}
