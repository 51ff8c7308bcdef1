"""The error codes of OCPP-J 1.6 and the one table from a validation fault to its code (R11, R12).

Not the place where a CALLERROR frame is built: that is `frames.error_frame`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class CallErrorCode(StrEnum):
    """The codes of J §4.2.3, spelt as the specification misspells them (J-err 5.1, 5.2)."""

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


OTHER_SPELLINGS: Mapping[str, CallErrorCode] = {
    "OccurrenceConstraintViolation": CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "FormatViolation": CallErrorCode.FORMATION_VIOLATION,
}
"""Codes that charge points send with the typing errors mended, or as OCPP 2 spells them (R11)."""


class CallError(Exception):
    """A call that was refused, by us or by the charge point.

    `code` is a `CallErrorCode`, except where a charge point sent a code that nobody knows: then
    it is that text (R11). `details` is the errorDetails object of J §4.2.3.
    """

    def __init__(
        self,
        code: CallErrorCode | str,
        description: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description
        self.details: dict[str, object] = dict(details) if details else {}

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.description else str(self.code)


class CallInFlight(Exception):
    """A second CALL was asked for while the first one is unanswered (R4, J §4.1.1)."""


# The mapping of R12. msgspec reports a fault as text only, so the text is matched, in this order;
# tests/ocpp16/test_errors.py provokes every form and fails when a release of msgspec words one
# differently. J §4.2.3 leaves room in three places:
# - A missing required property is ProtocolError ("incomplete"), not an occurrence fault: so
#   answers the `ocpp` package of mobilityhouse, which test tools are built on
#   (ocpp/messages.py, `_validate_payload`, validator "required").
# - Too few items is the occurrence fault, being the only schema rule that counts something.
# - Length, range, enumeration and precision are all "an invalid value" of a field whose type is
#   right: PropertyConstraintViolation.
FAULT_CODES: tuple[tuple[re.Pattern[str], CallErrorCode], ...] = (
    (re.compile(r"Object missing required field "), CallErrorCode.PROTOCOL_ERROR),
    (re.compile(r"Object contains unknown field "), CallErrorCode.FORMATION_VIOLATION),
    (
        re.compile(r"Expected `array` of length >= "),
        CallErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    ),
    (re.compile(r"Expected `str` of length <= "), CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
    (re.compile(r"Expected `int` [<>]= "), CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
    (
        re.compile(r"(?:Integer value|Number) out of range"),
        CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    ),
    (re.compile(r"Invalid enum value "), CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
    (re.compile(r"Expected at most one decimal "), CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
    (re.compile(r"Expected an RFC 3339 "), CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
    # Without "at `$.…`" the fault is the payload itself: not the PDU structure at all.
    (re.compile(r"Expected `object`, got `\w+`\Z"), CallErrorCode.FORMATION_VIOLATION),
    (re.compile(r"Expected `\w+`, got `\w+`"), CallErrorCode.TYPE_CONSTRAINT_VIOLATION),
)


def error_for_fault(text: str) -> CallError:
    """The CallError for a fault as msgspec words it; FormationViolation for an unknown wording."""
    for pattern, code in FAULT_CODES:
        if pattern.match(text):
            return CallError(code, text)
    return CallError(CallErrorCode.FORMATION_VIOLATION, text)
