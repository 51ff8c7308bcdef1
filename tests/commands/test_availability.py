"""Availability: what ChangeAvailability has set, connector by connector."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ocpp_cs.commands.table import Result
from ocpp_cs.db.models import ConnectorAvailability
from tests.commands.conftest import Office
from tests.handlers.conftest import NOW


def change(office: Office, connector_id: int, type: str, status: str = "Accepted") -> None:
    office.place("ChangeAvailability", {"connectorId": connector_id, "type": type})
    office.answer(status=status)


def availability(office: Office) -> dict[int, tuple[str, bool]]:
    rows = office.store.rows(ConnectorAvailability.select())
    return {row["connector_id"]: (row["availability"], row["scheduled"]) for row in rows}


def report(office: Office, connector_id: int, status: str) -> None:
    payload = {"connectorId": connector_id, "status": status, "errorCode": "NoError"}
    office.desk.send("StatusNotification", payload)


@pytest.mark.parametrize(("status", "scheduled"), [("Accepted", False), ("Scheduled", True)])
def test_a_change_is_kept_with_its_time(office: Office, status: str, scheduled: bool) -> None:
    office.later(3)
    change(office, 2, "Inoperative", status)
    assert availability(office) == {2: ("Inoperative", scheduled)}
    row = office.store.row(ConnectorAvailability.select())
    assert row["since"] == NOW + timedelta(seconds=3)
    change(office, 2, "Operative")
    assert availability(office) == {2: ("Operative", False)}


def test_a_refused_change_changes_nothing(office: Office) -> None:
    change(office, 1, "Inoperative", "Rejected")
    assert availability(office) == {}


@pytest.mark.parametrize(
    "result", [Result(status="timeout"), Result(status="rejected", error_code="NotSupported")]
)
def test_a_change_without_an_answer_changes_nothing(office: Office, result: Result) -> None:
    office.place("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    office.finish(office.claimed(), result)
    assert availability(office) == {}


def test_a_change_of_connector_0_applies_to_all(office: Office) -> None:
    change(office, 1, "Inoperative")
    change(office, 0, "Operative")
    assert availability(office) == {0: ("Operative", False)}
    change(office, 2, "Inoperative")
    assert availability(office) == {0: ("Operative", False), 2: ("Inoperative", False)}


def test_a_change_of_connector_0_leaves_other_charge_points(office: Office) -> None:
    other = Office(office.store, "CP-2")
    change(other, 1, "Inoperative")
    change(office, 0, "Operative")
    assert availability(office) == {0: ("Operative", False), 1: ("Inoperative", False)}


def test_a_scheduled_change_takes_effect_when_it_is_reported(office: Office) -> None:
    change(office, 1, "Inoperative", "Scheduled")
    change(office, 2, "Inoperative", "Scheduled")
    office.later(60)
    report(office, 1, "Finishing")
    assert availability(office)[1] == ("Inoperative", True)
    report(office, 1, "Unavailable")
    assert availability(office) == {1: ("Inoperative", False), 2: ("Inoperative", True)}
