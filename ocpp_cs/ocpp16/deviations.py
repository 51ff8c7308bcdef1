"""The rules of OCPP that a charge point may break, each by its code and in a sentence.

Nothing is found here: `tolerance`, `times`, `frames` and the handlers note a code where they see
one, and every code that they note stands in this table.
"""

from __future__ import annotations

from collections.abc import Mapping

from ocpp_cs.ocpp16.errors import CallErrorCode

DEVIATIONS: Mapping[str, str] = {
    "unknown_property": "A property that OCPP does not know; it is dropped",
    "wrong_type": "A number for a text, a text or a fraction for an integer, one object for a "
    "list; read as what was meant",
    "too_long": "A text that is longer than OCPP allows; kept whole",
    "unknown_value": "A word that its enumeration does not have; kept",
    "empty_value": "An empty text for an optional word of an enumeration; read as absent",
    "null_value": "`null` for an optional property; read as absent",
    "too_few_items": "An empty list where OCPP wants one item at least",
    "out_of_range": "A transaction id that no transaction has: beyond 32 bits",
    "unreadable_part": "An optional part, or one item of a list, could not be read; the rest is "
    "stored, and the frame is kept",
    "replaced_character": "A NUL or half a character, which no database takes; replaced by U+FFFD",
    "extra_elements": "More elements in a frame than OCPP-J has",
    "unknown_error_code": "A CALLERROR with a code that OCPP-J does not have",
    "unknown_message_type": "A frame that is no CALL, CALLRESULT or CALLERROR; ignored",
    "unreadable_frame": "A frame that is not JSON, no array, or without a message id",
    "naive_time": "A time without offset",
    "unreadable_time": "A time that cannot be read",
    "clock_not_set": "A time before the year 2000",
    "value_not_a_number": "A sampled value whose text is no number; the text is kept",
    "too_many_kinds": "A kind of sampled value beyond those that are told apart; kept as a text",
    "unknown_transaction": "Meter values for a transaction that nobody knows; kept without one",
    "status_of_connector_0": "A status that only a connector can have, for connector 0",
}
_REFUSED = frozenset(str(code) for code in CallErrorCode)


def rule_of(code: str) -> str | None:
    """The sentence, as plain text; also for a message that was refused with this CALLERROR."""
    if code in _REFUSED:
        return f"A message that was refused with the CALLERROR {code}"
    sentence = DEVIATIONS.get(code)
    return None if sentence is None else sentence.replace("`", "")
