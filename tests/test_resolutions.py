"""What people decide: stuck transactions closed, orphan stops linked, and what still comes (F3)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs import resolutions
from ocpp_cs.audit import Actor
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.models import (
    AuditEvent,
    IdTag,
    InstalledChargingProfile,
    MeterValue,
    OrphanStop,
    QuarantinedFrame,
    Transaction,
    TransactionEvidence,
)
from ocpp_cs.resolutions import Decision
from ocpp_cs.rules import Policy, flag_names
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Store
from tests.handlers.conftest import Refused as CallRefused

store = kept.store
OPERATOR = Actor("night shift (k3f7x2ab)", "192.0.2.7")
CLOSED = ["closed_by_operator"]
DATA = [
    {"timestamp": f"2026-03-01T11:{minute}:00Z", "sampledValue": [{"value": str(value)}]}
    for minute, value in ((10, 2000), (20, 3500))
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01T{text}+00:00")


def transaction(store: Store, id: int) -> dict[str, Any]:
    return store.row(Transaction.select().where(Transaction.id == id))


def close(store: Store, id: int, reason: str = "replaced") -> None:
    store.committer.run(0, lambda tx: resolutions.close(tx, id, reason, actor=OPERATOR, now=NOW))


def resolve(store: Store, id: int, resolution: Any, transaction_id: int | None = None) -> None:
    decision = Decision(resolution, transaction_id, "why")
    store.committer.run(
        0,
        lambda tx: resolutions.resolve_orphan_stop(tx, id, decision, actor=OPERATOR, now=NOW),
    )


def refusal(call: Any, *arguments: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return refused.value.status, refused.value.code


def samples(desk: Desk, id: int, *instants: tuple[str, int]) -> None:
    values = [
        {"timestamp": f"2026-03-01T{time}Z", "sampledValue": [{"value": str(wh)}]}
        for time, wh in instants
    ]
    desk.send("MeterValues", {"connectorId": 1, "transactionId": id, "meterValue": values})


def orphan(store: Store, desk: Desk, **changes: Any) -> int:
    desk.stop(-1, **changes)
    return int(store.rows(OrphanStop.select().order_by(OrphanStop.id.desc()))[0]["id"])


# --- Closing --------------------------------------------------------------------------------------


def test_a_closed_transaction_ends_with_the_last_thing_known(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    samples(desk, id, ("11:10:00", 2000), ("11:20:00", 3500))
    desk.send("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    assert flag_names(transaction(store, id)["flags"]) == ["suspect_open"]
    close(store, id)
    row = transaction(store, id)
    assert (row["stopped_at"], row["meter_stop_wh"]) == (at("11:20:00"), 3500)
    assert (row["stop_reason"], row["stop_id_tag"], row["stop_received_at"]) == (None, None, None)
    assert flag_names(row["flags"]) == CLOSED
    assert row["suspect_since"] is None
    closing = (row["closed_at"], row["closed_by"], row["close_reason"])
    assert closing == (NOW, OPERATOR.name, "replaced")


def test_without_a_sample_nothing_was_charged(store: Store) -> None:
    id = store.desk().start()["transactionId"]
    close(store, id)
    row = transaction(store, id)
    assert (row["stopped_at"], row["meter_stop_wh"]) == (at("11:00:00"), 1000)


def test_what_was_measured_before_the_start_is_not_its_end(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    samples(desk, id, ("10:00:00", 400))
    close(store, id)
    row = transaction(store, id)
    assert (row["stopped_at"], row["meter_stop_wh"]) == (at("11:00:00"), 1000)


def test_a_register_that_fell_is_flagged(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    samples(desk, id, ("11:10:00", 400))
    close(store, id)
    assert transaction(store, id)["meter_stop_wh"] == 400
    assert flag_names(transaction(store, id)["flags"]) == ["negative_energy", *CLOSED]


def test_what_cannot_be_closed(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    desk.stop(id)
    assert refusal(close, store, id) == (409, "not_active")
    assert refusal(close, store, 2**31 - 1) == (404, "unknown_transaction")
    closed = desk.start(connectorId=2)["transactionId"]
    close(store, closed)
    assert refusal(close, store, closed) == (409, "not_active")


def test_closing_stands_in_the_audit_trail(store: Store) -> None:
    id = store.desk().start()["transactionId"]
    close(store, id)
    line = store.row(AuditEvent.select())
    assert (line["actor"], line["remote_address"]) == (OPERATOR.name, "192.0.2.7")
    assert (line["action"], line["target"]) == ("transaction.close", f"transactions/{id}")
    assert json.loads(line["detail"]) == {
        "reason": "replaced",
        "stopped_at": "2026-03-01T11:00:00.000Z",
        "meter_stop_wh": 1000,
    }


def install_profile(store: Store, desk: Desk, transaction_id: int) -> None:
    store.write(
        InstalledChargingProfile.insert(
            charge_point_id=desk.charge_point.id,
            connector_id=1,
            charging_profile_id=1,
            stack_level=0,
            purpose="TxProfile",
            transaction_id=transaction_id,
            profile="{}",
            command_id=1,
            installed_at=NOW,
        )
    )


def test_its_charging_profile_ends_with_it_and_no_other_one(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    install_profile(store, desk, id)
    close(store, id)
    assert store.rows(InstalledChargingProfile.select()) == []
    running = desk.start(timestamp="2026-03-01T11:40:00Z")["transactionId"]
    install_profile(store, desk, running)
    desk.stop(id)
    assert len(store.rows(InstalledChargingProfile.select())) == 1


@pytest.mark.parametrize("end", ["close", "suspect"])
def test_a_stuck_or_closed_transaction_is_not_concurrent(store: Store, end: str) -> None:
    policy = Policy(unknown_charge_points="open", unknown_id_tags="closed")
    store.write(
        IdTag.insert(
            id_tag="TAG", id_tag_key="tag", status="accepted", created_at=NOW, updated_at=NOW
        )
    )
    desk, other = store.desk("CP-1", policy), store.desk("CP-2", policy)
    id = desk.start()["transactionId"]
    assert other.start()["idTagInfo"]["status"] == "ConcurrentTx"
    other.stop(other.start()["transactionId"])
    if end == "close":
        close(store, id)
    else:
        desk.send("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    started = other.start(timestamp="2026-03-01T11:45:00Z")
    assert started["idTagInfo"]["status"] == "Accepted"


# --- What comes after the closing -----------------------------------------------------------------


def test_a_late_stop_overrides_and_is_idempotent(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    samples(desk, id, ("11:10:00", 2000))
    close(store, id)
    for _ in range(2):
        desk.stop(id, idTag="TAG", reason="EVDisconnected")
    row = transaction(store, id)
    assert (row["stopped_at"], row["meter_stop_wh"]) == (at("11:30:00"), 5000)
    assert (row["stop_reason"], row["stop_id_tag"]) == ("EVDisconnected", "TAG")
    assert row["stop_received_at"] == NOW
    assert (row["closed_at"], row["closed_by"], row["close_reason"]) == (None, None, None)
    assert flag_names(row["flags"]) == []
    evidence = store.rows(TransactionEvidence.select().order_by(TransactionEvidence.id))
    assert [each["kind"] for each in evidence] == ["start", "stop"]
    desk.stop(id, meterStop=9999)
    row = transaction(store, id)
    assert row["meter_stop_wh"] == 5000
    assert flag_names(row["flags"]) == ["conflicting_stop"]


def test_a_stop_after_the_closing_is_late(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    close(store, id)
    desk.now = NOW + timedelta(hours=2)
    desk.stop(id, timestamp="2026-03-01T13:00:00Z")
    assert flag_names(transaction(store, id)["flags"]) == ["late_stop"]


def test_a_stop_with_the_very_values_of_the_closing_overrides_too(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    close(store, id)
    desk.stop(id, timestamp="2026-03-01T11:00:00Z", meterStop=1000)
    row = transaction(store, id)
    assert (row["closed_at"], row["stop_reason"], row["flags"]) == (None, "Local", 0)


def test_samples_after_the_closing_are_stored_and_show(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    samples(desk, id, ("11:10:00", 2000))
    close(store, id)
    samples(desk, id, ("11:20:00", 3500))
    assert len(store.rows(MeterValue.select().where(MeterValue.transaction_id == id))) == 2
    row = transaction(store, id)
    assert (row["meter_stop_wh"], row["last_register_wh"]) == (2000, 3500)
    assert flag_names(row["flags"]) == ["sample_outside", *CLOSED]
    desk.stop(id)  # the real end lies after that sample
    assert flag_names(transaction(store, id)["flags"]) == []


@pytest.mark.parametrize("instant", ["10:00:00", "11:40:00"])
def test_a_sample_outside_the_real_end_stays_flagged(store: Store, instant: str) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    samples(desk, id, ("11:10:00", 2000))
    close(store, id)
    samples(desk, id, (instant, 900))
    desk.stop(id)
    assert "sample_outside" in flag_names(transaction(store, id)["flags"])


def test_a_foreign_stop_does_not_override(store: Store) -> None:
    id = store.desk("VICTIM").start()["transactionId"]
    close(store, id)
    store.desk("ATTACKER").stop(id)
    assert flag_names(transaction(store, id)["flags"]) == CLOSED


# --- Orphan stops ---------------------------------------------------------------------------------


@pytest.mark.parametrize("closed_before", [False, True])
def test_a_linked_stop_ends_the_transaction_as_if_it_had_come_with_its_id(
    store: Store, closed_before: bool
) -> None:
    desk, twin = store.desk("CP-1"), store.desk("CP-2")
    stop: dict[str, Any] = {"idTag": "TAG", "reason": "PowerLoss", "transactionData": DATA}
    id = desk.start()["transactionId"]
    orphan_id = orphan(store, desk, **stop)
    if closed_before:
        close(store, id)
    resolve(store, orphan_id, "linked", id)
    plain = twin.start()["transactionId"]
    twin.stop(plain, **stop)
    ours, expected = transaction(store, id), transaction(store, plain)
    of_their_own = {"id", "charge_point_id"}
    assert {k: v for k, v in ours.items() if k not in of_their_own} == {
        k: v for k, v in expected.items() if k not in of_their_own
    }
    values = store.rows(MeterValue.select().where(MeterValue.transaction_id == id))
    assert sorted(value["value"] for value in values) == [2000, 3500]
    kinds = TransactionEvidence.select().where(TransactionEvidence.transaction_id == id)
    assert [each["kind"] for each in store.rows(kinds)] == ["start", "stop"]


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"timestamp": "garbage"}, "stop_time_unreadable"),
        ({"timestamp": "1970-01-01T00:00:05Z"}, "clock_not_set"),
        ({"timestamp": "2026-03-02T00:00:00Z"}, "stop_in_future"),
        ({"timestamp": "2026-03-01T11:30:00"}, "naive_time"),
        ({"reason": "BlownFuse"}, "unusual_content"),
    ],
)
def test_its_oddities_come_with_it(store: Store, change: dict[str, Any], flag: str) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    resolve(store, orphan(store, desk, **change), "linked", id)
    assert flag in flag_names(transaction(store, id)["flags"])


def test_a_retransmission_of_a_resolved_stop_does_not_open_it_again(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    orphan_id = orphan(store, desk)
    resolve(store, orphan_id, "linked", id)
    desk.stop(-1)
    row = store.row(OrphanStop.select())
    decision = (row["resolution"], row["resolved_transaction_id"], row["resolution_note"])
    assert decision == ("linked", id, "why")
    assert (row["resolved_by"], row["resolved_at"]) == (OPERATOR.name, NOW)
    assert refusal(resolve, store, orphan_id, "dismissed") == (409, "already_resolved")
    # The same stop with the right id at last is the one that stands.
    desk.stop(id)
    assert flag_names(transaction(store, id)["flags"]) == []


def test_a_real_stop_is_not_replaced_by_a_link(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    orphan_id = orphan(store, desk, meterStop=4000)
    desk.stop(id)
    before = transaction(store, id)
    assert refusal(resolve, store, orphan_id, "linked", id) == (409, "transaction_stopped")
    assert transaction(store, id) == before
    assert store.row(OrphanStop.select())["resolution"] is None


def test_what_cannot_be_linked(store: Store) -> None:
    desk, other = store.desk("CP-1"), store.desk("CP-2")
    foreign = other.start()["transactionId"]
    orphan_id = orphan(store, desk)
    assert refusal(resolve, store, orphan_id, "linked", foreign) == (409, "other_charge_point")
    unknown = refusal(resolve, store, orphan_id, "linked", 2**31 - 1)
    assert unknown == (422, "unknown_transaction")
    assert refusal(resolve, store, 2**31 - 1, "dismissed") == (404, "unknown_orphan_stop")
    assert store.row(OrphanStop.select())["resolution"] is None
    assert transaction(store, foreign)["stopped_at"] is None


def test_a_dismissed_stop_changes_no_transaction(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    orphan_id = orphan(store, desk)
    resolve(store, orphan_id, "dismissed")
    assert transaction(store, id)["stopped_at"] is None
    line = store.row(AuditEvent.select())
    assert (line["action"], line["target"]) == ("orphan_stop.resolve", f"orphan-stops/{orphan_id}")
    assert json.loads(line["detail"]) == {"resolution": "dismissed", "note": "why"}


# --- Quarantine -----------------------------------------------------------------------------------


def test_a_quarantined_frame_is_only_noted(store: Store) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    broken = {"transactionId": id, "timestamp": "2026-03-01T11:30:00Z"}
    with pytest.raises(CallRefused):
        desk.send("StopTransaction", broken)
    frame_id = store.row(QuarantinedFrame.select())["id"]
    before = transaction(store, id)
    decision = Decision("linked", id)
    store.committer.run(
        0,
        lambda tx: resolutions.resolve_quarantined_frame(
            tx, frame_id, decision, actor=OPERATOR, now=NOW
        ),
    )
    assert transaction(store, id) == before
    with pytest.raises(CallRefused):
        desk.send("StopTransaction", broken)
    row = store.row(QuarantinedFrame.select())
    assert (row["resolution"], row["resolved_transaction_id"], row["received"]) == ("linked", id, 2)
    line = store.row(AuditEvent.select())
    assert (line["action"], line["target"]) == (
        "quarantined_frame.resolve",
        f"quarantine/{frame_id}",
    )
