"""Charging profiles that charge points hold: set, replaced, cleared, ended with a transaction."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_cs.commands.table import Result
from ocpp_cs.db.models import InstalledChargingProfile
from tests.commands.conftest import Office
from tests.handlers.conftest import NOW


def profile(number: int = 1, purpose: str = "TxDefaultProfile", **changes: Any) -> dict[str, Any]:
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
        },
        **changes,
    }


def place(office: Office, connector_id: int, wanted: dict[str, Any]) -> int:
    payload = {"connectorId": connector_id, "csChargingProfiles": wanted}
    return office.place("SetChargingProfile", payload)


def put(office: Office, connector_id: int, number: int = 1, **changes: Any) -> None:
    place(office, connector_id, profile(number, **changes))
    office.answer(status="Accepted")


def held(office: Office) -> list[tuple[int, int]]:
    """Connector and number of each profile."""
    rows = office.store.rows(
        InstalledChargingProfile.select().order_by(InstalledChargingProfile.charging_profile_id)
    )
    return [(row["connector_id"], row["charging_profile_id"]) for row in rows]


# --- Set ------------------------------------------------------------------------------------------


def test_what_is_accepted_is_held(office: Office) -> None:
    id = place(office, 2, profile(7, stackLevel=3, validTo="2026-04-01T00:00:00+02:00"))
    office.answer(status="Accepted")
    row = office.store.row(InstalledChargingProfile.select())
    assert (row["charge_point_id"], row["connector_id"]) == (office.key, 2)
    assert (row["charging_profile_id"], row["stack_level"]) == (7, 3)
    assert (row["purpose"], row["transaction_id"]) == ("TxDefaultProfile", None)
    assert row["valid_to"].isoformat() == "2026-03-31T22:00:00+00:00"
    assert (row["command_id"], row["installed_at"]) == (id, NOW)


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
def test_what_is_refused_is_not(office: Office, status: str) -> None:
    place(office, 1, profile())
    office.answer(status=status)
    assert held(office) == []


@pytest.mark.parametrize("status", ["rejected", "timeout", "unknown", "answered"])
def test_what_is_not_answered_well_is_not(office: Office, status: str) -> None:
    place(office, 1, profile())
    assert office.finish(office.claimed(), Result(status=status, raw_response="{}"))
    assert held(office) == []


def test_the_same_number_is_replaced_on_whatever_connector(office: Office) -> None:
    put(office, 1, 7)
    put(office, 2, 7, stackLevel=5)
    assert held(office) == [(2, 7)]


def test_the_same_purpose_and_level_is_replaced_on_its_connector(office: Office) -> None:
    put(office, 1, 1)
    put(office, 2, 2)
    put(office, 1, 3, stackLevel=1)
    put(office, 0, 4, purpose="ChargePointMaxProfile")
    put(office, 0, 5)
    assert held(office) == [(1, 1), (2, 2), (1, 3), (0, 4), (0, 5)]
    put(office, 1, 6)
    assert held(office) == [(2, 2), (1, 3), (0, 4), (0, 5), (1, 6)]


def test_another_charge_points_profiles_stay(office: Office) -> None:
    other = Office(office.store, "CP-2")
    put(other, 1, 1)
    put(office, 1, 1)
    office.place("ClearChargingProfile", {})
    office.answer(status="Accepted")
    assert held(office) == [(1, 1)]


# --- Cleared --------------------------------------------------------------------------------------

HELD = [(1, 1), (2, 2), (1, 3), (0, 4)]


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        ({}, []),
        ({"id": 2}, [(1, 1), (1, 3), (0, 4)]),
        ({"id": 9}, HELD),
        ({"connectorId": 1}, [(2, 2), (0, 4)]),
        ({"connectorId": 0}, [(1, 1), (2, 2), (1, 3)]),
        ({"stackLevel": 1}, [(1, 1), (2, 2), (0, 4)]),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, [(0, 4)]),
        ({"connectorId": 1, "stackLevel": 0}, [(2, 2), (1, 3), (0, 4)]),
        ({"connectorId": 2, "stackLevel": 1}, HELD),
        ({"id": 1, "connectorId": 2}, HELD),
    ],
)
@pytest.mark.parametrize("answer", ["Accepted", "Unknown"])
def test_cleared(
    office: Office, wanted: dict[str, Any], left: list[tuple[int, int]], answer: str
) -> None:
    """Unknown says that none that matches is there: then we were wrong."""
    put(office, 1, 1)
    put(office, 2, 2)
    put(office, 1, 3, stackLevel=1)
    put(office, 0, 4, purpose="ChargePointMaxProfile")
    office.place("ClearChargingProfile", wanted)
    office.answer(status=answer)
    assert held(office) == left


def test_a_clear_without_an_answer_changes_nothing(office: Office) -> None:
    put(office, 1)
    office.place("ClearChargingProfile", {})
    office.finish(office.claimed(), Result(status="timeout"))
    assert held(office) == [(1, 1)]


# --- With a transaction ---------------------------------------------------------------------------


def test_a_tx_profile_ends_with_its_transaction(office: Office) -> None:
    one = office.desk.start()["transactionId"]
    two = office.desk.start(connectorId=2)["transactionId"]
    put(office, 1, 1, purpose="TxProfile", transactionId=one)
    put(office, 2, 2, purpose="TxProfile", transactionId=two)
    put(office, 1, 3)
    office.desk.stop(one)
    assert held(office) == [(2, 2), (1, 3)]
    office.desk.stop(two)
    assert held(office) == [(1, 3)]


def test_without_a_transaction_it_is_for_the_one_that_runs(office: Office) -> None:
    """An older one on the same connector, whose stop comes late, does not end it."""
    old = office.desk.start()["transactionId"]
    new = office.desk.start(timestamp="2026-03-01T11:10:00Z")["transactionId"]
    put(office, 1, 1, purpose="TxProfile")
    row = office.store.row(InstalledChargingProfile.select())
    assert row["transaction_id"] == new
    office.desk.stop(old)
    assert held(office) == [(1, 1)]
    office.desk.stop(new)
    assert held(office) == []


def test_one_whose_transaction_is_unknown_ends_with_the_next_stop(office: Office) -> None:
    put(office, 1, 1, purpose="TxProfile")
    other = office.desk.start(connectorId=2)["transactionId"]
    office.desk.stop(other)
    assert held(office) == [(1, 1)]
    office.desk.stop(office.desk.start()["transactionId"])
    assert held(office) == []
