"""Configuration keys as answers bring them, and a password that changes without locking out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs import credentials
from ocpp_cs.commands import table
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place, read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.table import Result
from ocpp_cs.db.models import ChargePoint, ConfigurationKey
from ocpp_cs.handlers.connections import Attempt, Login, connect
from ocpp_cs.inventory import set_key
from ocpp_cs.ocpp16.messages.core import ChangeConfigurationResponse
from tests.commands.conftest import ACTOR, Office
from tests.handlers.conftest import NOW

KEY = "0123456789abcdef0123456789abcdef01234567"
NEXT_KEY = "76543210fedcba9876543210fedcba9876543210"
OLD_HASH = credentials.hash_key(b"ab" * 20, generated=True)


def keys(office: Office) -> dict[str, dict[str, Any]]:
    rows = office.store.rows(ConfigurationKey.select())
    assert all(row["charge_point_id"] == office.key for row in rows)
    return {row["key"]: row for row in rows}


def charge_point(office: Office) -> dict[str, Any]:
    return office.store.row(ChargePoint.select().where(ChargePoint.id == office.key))


def report(
    office: Office, *reported: tuple[str, str | None], asked: Any = None, **more: Any
) -> None:
    """The charge point is asked for its configuration and answers."""
    office.place("GetConfiguration", {} if asked is None else {"key": asked})
    listed = [
        {"key": key, "readonly": False, **({} if value is None else {"value": value})}
        for key, value in reported
    ]
    office.answer(configurationKey=listed, **more)


def change(office: Office, key: str, value: str, status: str) -> None:
    office.place("ChangeConfiguration", {"key": key, "value": value})
    office.answer(status=status)


# --- What is reported ---------------------------------------------------------------------------


def test_what_is_reported_is_kept_with_its_time(office: Office) -> None:
    office.place("GetConfiguration")
    office.later(2)
    office.answer(
        configurationKey=[
            {"key": "HeartbeatInterval", "readonly": False, "value": "900"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
            {"key": "Empty", "readonly": True},
        ]
    )
    found = keys(office)
    assert [(each["value"], each["readonly"]) for each in found.values()] == [
        ("900", False),
        ("2", True),
        (None, True),
    ]
    assert {each["read_at"] for each in found.values()} == {NOW + timedelta(seconds=2)}
    assert {each["changed_at"] for each in found.values()} == {None}
    assert charge_point(office)["configuration_read_at"] == NOW + timedelta(seconds=2)


def test_a_full_report_replaces_what_was_known(office: Office) -> None:
    report(office, ("A", "1"), ("B", "2"))
    change(office, "C", "3", "Accepted")
    office.later(1)
    report(office, ("b", "4"))
    assert {key: row["value"] for key, row in keys(office).items()} == {"b": "4"}


def test_an_empty_list_of_keys_asks_for_all(office: Office) -> None:
    report(office, ("A", "1"), ("B", "2"))
    office.later(1)
    report(office, ("A", "1"), asked=[])
    assert list(keys(office)) == ["A"]


def test_a_report_of_some_keys_leaves_the_others(office: Office) -> None:
    report(office, ("A", "1"), ("B", "2"), ("C", "3"))
    office.later(1)
    report(office, ("A", "9"), asked=["A", "b"], unknownKey=["b"])
    assert {key: row["value"] for key, row in keys(office).items()} == {"A": "9", "C": "3"}
    assert charge_point(office)["configuration_read_at"] == NOW


def test_a_key_that_is_reported_twice(office: Office) -> None:
    report(office, ("A", "1"), ("a", "2"))
    assert [row["value"] for row in keys(office).values()] == ["2"]


@pytest.mark.parametrize(
    "result",
    [
        Result(status="timeout"),
        Result(status="rejected", error_code="InternalError"),
        Result(status="answered", raw_response='{"configurationKey":7}', error_code="x"),
    ],
)
def test_no_report_changes_nothing(office: Office, result: Result) -> None:
    report(office, ("A", "1"))
    office.later(1)
    office.place("GetConfiguration")
    office.finish(office.claimed(), result)
    assert list(keys(office)) == ["A"]
    assert charge_point(office)["configuration_read_at"] == NOW


def test_charge_points_do_not_mix(office: Office) -> None:
    report(office, ("A", "1"))
    other = Office(office.store, "CP-2")
    report(other, ("B", "2"))
    assert {row["key"] for row in office.store.rows(ConfigurationKey.select())} == {"A", "B"}


# --- What is changed ----------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "reboot"), [("Accepted", False), ("RebootRequired", True)])
def test_a_change_is_kept_with_its_time(office: Office, status: str, reboot: bool) -> None:
    report(office, ("HeartbeatInterval", "900"))
    office.later(5)
    change(office, "heartbeatinterval", "60", status)
    [row] = keys(office).values()
    assert (row["key"], row["value"], row["reboot_required"]) == ("HeartbeatInterval", "60", reboot)
    assert (row["read_at"], row["changed_at"]) == (NOW, NOW + timedelta(seconds=5))
    office.later(5)
    report(office, ("HeartbeatInterval", "60"))
    [row] = keys(office).values()
    assert row["reboot_required"] is False
    assert row["changed_at"] == NOW + timedelta(seconds=5)


def test_a_change_of_a_key_that_was_never_reported(office: Office) -> None:
    change(office, "Vendor.Key", "x", "Accepted")
    [row] = keys(office).values()
    assert (row["value"], row["readonly"], row["read_at"]) == ("x", None, None)


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
def test_a_refused_change_changes_nothing(office: Office, status: str) -> None:
    report(office, ("A", "1"))
    change(office, "A", "2", status)
    assert keys(office)["A"]["value"] == "1"


def test_the_value_of_a_secret_is_never_kept(office: Office) -> None:
    change(office, "AuthorizationKey", KEY, "Accepted")
    [row] = keys(office).values()
    assert (row["key"], row["value"], row["changed_at"]) == ("AuthorizationKey", None, NOW)
    office.later(1)
    report(office, ("authorizationKey", KEY), ("A", "1"))
    assert {key: row["value"] for key, row in keys(office).items()} == {
        "authorizationKey": None,
        "A": "1",
    }


# --- The change of a password (R18) ---------------------------------------------------------------


def secured(office: Office, security_profile: int = 1) -> None:
    """The charge point has had a key for long."""
    office.store.write(ChargePoint.update(key_hash=OLD_HASH, security_profile=security_profile))


def ordered(office: Office, key: str = KEY, **options: Any) -> int:
    return office.place("ChangeConfiguration", {"key": "AuthorizationKey", "value": key}, **options)


def slots(office: Office) -> tuple[bool, str | None]:
    """Whether the old key is there, and which one lies in the second slot."""
    row = charge_point(office)
    text = row["next_key_hash"]
    if text is None:
        return row["key_hash"] == OLD_HASH, None
    known = [key for key in (KEY, NEXT_KEY) if credentials.verify(text, key.encode())]
    return row["key_hash"] == OLD_HASH, known[0]


def test_from_the_order_on_both_keys_are_valid(office: Office) -> None:
    secured(office)
    ordered(office)
    assert slots(office) == (True, KEY)
    office.claimed()
    assert slots(office) == (True, KEY)


@pytest.mark.parametrize(
    ("result", "both"),
    [
        (Result(status="timeout"), True),
        (Result(status="unknown"), True),
        (Result(status="answered", raw_response="{}", error_code="x"), True),
        (Result(status="rejected", error_code="NotSupported"), False),
    ],
)
def test_which_keys_live_after_the_end(office: Office, result: Result, both: bool) -> None:
    secured(office)
    ordered(office)
    office.finish(office.claimed(), result)
    assert slots(office) == (True, KEY if both else None)


@pytest.mark.parametrize(
    ("status", "both"),
    [("Accepted", True), ("RebootRequired", True), ("Rejected", False), ("NotSupported", False)],
)
def test_which_keys_live_after_the_answer(office: Office, status: str, both: bool) -> None:
    secured(office)
    ordered(office)
    office.answer(status=status)
    assert slots(office) == (True, KEY if both else None)


def test_a_change_that_was_never_sent_leaves_the_old_key(office: Office) -> None:
    secured(office)
    cancelled = ordered(office)
    office.run(lambda tx: table.cancel(tx, cancelled, actor=ACTOR, now=office.now))
    assert slots(office) == (True, None)
    ordered(office, deliver_within_s=10)
    office.later(11)
    office.run(lambda tx: table.expire(tx, office.now))
    assert slots(office) == (True, None)


def test_another_key_does_not_touch_the_slots(office: Office) -> None:
    secured(office)
    change(office, "HeartbeatInterval", "60", "Rejected")
    ordered(office)
    office.finish(office.claimed(), Result(status="timeout"))
    change(office, "HeartbeatInterval", "60", "Rejected")
    assert slots(office) == (True, KEY)


@pytest.mark.parametrize("how", ["queued", "sent", "timeout"])
def test_a_second_change_waits_for_the_first(office: Office, how: str) -> None:
    secured(office)
    ordered(office)
    if how != "queued":
        claimed = office.claimed()
        if how == "timeout":
            office.finish(claimed, Result(status="timeout"))
    with pytest.raises(Refused) as refused:
        ordered(office, NEXT_KEY)
    assert (refused.value.status, refused.value.code) == (409, "key_change_unsettled")
    assert "set-password" in refused.value.detail
    assert slots(office) == (True, KEY)


def test_a_key_set_by_hand_meanwhile_does_not_lock_out(office: Office) -> None:
    """The person empties both slots; the command that is on its way still has its own key."""
    secured(office)
    ordered(office)
    claimed = office.claimed()
    by_hand = credentials.hash_key(b"cd" * 20, generated=True)
    office.run(lambda tx: set_key(tx, office.identity, by_hand, actor=ACTOR, now=office.now))
    with pytest.raises(Refused, match="open"):
        ordered(office, NEXT_KEY)
    accepted = ChangeConfigurationResponse(status="Accepted")
    office.finish(claimed, Result(status="answered", response=accepted))
    row = charge_point(office)
    assert row["key_hash"] == by_hand
    assert credentials.verify(row["next_key_hash"], KEY.encode())


def test_an_order_without_the_hash_is_a_defect(office: Office) -> None:
    payload = b'{"key":"authorizationkey","value":"0123456789abcdef"}'
    order = Order(
        action="ChangeConfiguration", request=read_request("ChangeConfiguration", payload)
    )
    with pytest.raises(ValueError, match="hash"):
        office.run(lambda tx: place(tx, office.identity, order, actor=ACTOR, now=NOW))


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 1), (2, 2)])
def test_the_first_login_with_the_new_key_settles_it(
    office: Office, before: int, after: int
) -> None:
    """From then on a key is asked for, also of who never had one (W2)."""
    secured(office, before)
    ordered(office)
    office.answer(status="Accepted")
    log_in(office, charge_point(office)["next_key_hash"])
    row = charge_point(office)
    assert row["next_key_hash"] is None
    assert credentials.verify(row["key_hash"], KEY.encode())
    assert row["security_profile"] == after
    ordered(office, NEXT_KEY)  # settled: the next change is free


def test_a_login_with_the_old_key_settles_nothing(office: Office) -> None:
    secured(office, 0)
    ordered(office)
    office.answer(status="Accepted")
    log_in(office, None)
    assert slots(office) == (True, KEY)
    assert charge_point(office)["security_profile"] == 0


def log_in(office: Office, used_next_key: str | None) -> None:
    asked = used_next_key is not None or charge_point(office)["security_profile"] > 0
    office.run(
        lambda tx: connect(
            tx,
            Attempt(office.identity, "127.0.0.1", "accepted", 101, "ocpp1.6", ""),
            now=office.now,
            present_until=office.now + timedelta(minutes=1),
            unknown="closed",
            subprotocol_offered=True,
            login=Login(1, used_next_key) if asked else Login(0),
        )
    )


@pytest.mark.parametrize("value", ["1", "0", " 1", "", "x", "-3"])
def test_a_security_profile_is_never_lowered_over_ocpp(office: Office, value: str) -> None:
    """W2, A00.FR.005."""
    secured(office, security_profile=2)
    with pytest.raises(Refused, match="must not be set over OCPP"):
        office.place("ChangeConfiguration", {"key": "securityProfile", "value": value})
    assert office.place("ChangeConfiguration", {"key": "SecurityProfile", "value": "2"})
    assert office.place("ChangeConfiguration", {"key": "SecurityProfile", "value": "3"})
