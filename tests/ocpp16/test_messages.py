"""The list of actions, and what holds of every message type."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from ocpp_cs.ocpp16.messages import (
    ACTION_OF,
    ACTIONS,
    FROM_CENTRAL_SYSTEM,
    FROM_CHARGE_POINT,
    Action,
    Sender,
)
from ocpp_cs.ocpp16.messages.core import StopTransactionRequest, StopTransactionResponse


def test_every_action_of_every_profile_is_there() -> None:
    assert Counter(str(action.profile) for action in ACTIONS.values()) == {
        "Core": 16,
        "FirmwareManagement": 4,
        "LocalAuthListManagement": 2,
        "Reservation": 2,
        "SmartCharging": 3,
        "RemoteTrigger": 1,
        "Security": 11,
    }


def test_a_charge_point_calls_fourteen_actions() -> None:
    assert set(FROM_CHARGE_POINT) == {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    }


def test_only_data_transfer_goes_both_ways() -> None:
    assert set(FROM_CHARGE_POINT) & set(FROM_CENTRAL_SYSTEM) == {"DataTransfer"}
    assert set(FROM_CHARGE_POINT) | set(FROM_CENTRAL_SYSTEM) == set(ACTIONS)
    assert ACTIONS["DataTransfer"].sender is Sender.BOTH


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda action: str(action.name))
def test_an_action_knows_its_types(action: Action) -> None:
    assert ACTIONS[action.name] is action
    assert ACTION_OF[action.request] is action
    assert action.request.__name__ == f"{action.name}Request"
    assert action.response.__name__ == f"{action.name}Response"
    for message in (action.request, action.response):
        assert message.__struct_config__.frozen
        assert message.__struct_config__.forbid_unknown_fields


def test_absent_is_none_and_none_is_left_out() -> None:
    text = b'{"transactionId":1,"timestamp":"t","meterStop":5}'
    request = ACTIONS["StopTransaction"].request_decoder.decode(text)
    assert request == StopTransactionRequest(transaction_id=1, timestamp="t", meter_stop=5)
    assert (request.id_tag, request.reason, request.transaction_data) == (None, None, None)
    assert msgspec.json.encode(request) == text
    assert msgspec.json.encode(StopTransactionResponse()) == b"{}"


def test_messages_are_values() -> None:
    request = StopTransactionRequest(transaction_id=1, timestamp="t", meter_stop=5)
    with pytest.raises(AttributeError):
        request.meter_stop = 6  # type: ignore[misc]
    assert (
        len({request, StopTransactionRequest(transaction_id=1, timestamp="t", meter_stop=5)}) == 1
    )
