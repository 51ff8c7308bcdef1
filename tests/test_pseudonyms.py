"""Pseudonyms: afterwards the id tag stands nowhere, and the figures are still those of one tag."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import peewee
import pytest

from ocpp_cs import audit, inventory, pseudonyms, resolutions, rules
from ocpp_cs.audit import Actor
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import models
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import (
    ChargePoint,
    IdTag,
    LocalListEntry,
    MeterValue,
    Transaction,
    TransactionEvidence,
)
from ocpp_cs.pseudonyms import Pseudonymised
from ocpp_cs.resolutions import Decision
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Store
from tests.handlers.conftest import Refused as CallRefused

store = kept.store
ADMIN = Actor("admin (p2qy6mzn)", "192.0.2.7")
TAG = "0FC673ab"
PSEUDONYM = "anon-0a1b2c3d4e5f"
SIGNED = '{"ID":"0fc673AB","RD":[{"RV":"12.5"}]}'


def run(store: Store, id_tag: str = TAG, pseudonym: str = PSEUDONYM) -> Pseudonymised:
    return pseudonyms.pseudonymise(
        store.engine, writer(store), id_tag, pseudonym, actor=ADMIN, now=NOW
    )


def writer(store: Store) -> Callable[[Callable[[Tx], Any]], Any]:
    return lambda work: store.committer.run(0, work)


def places(store: Store, text: str) -> list[str]:
    """Every text column of every table in which the text stands, in any case, escaped or not."""
    found = []
    for table in models.TABLES:
        columns = [f for f in table._meta.sorted_fields if isinstance(f, peewee.TextField)]
        for row in store.rows(table.select(*columns)) if columns else []:
            for name, value in row.items():
                if value is not None and text.casefold() in unescaped(value).casefold():
                    found.append(f"{table._meta.table_name}.{name}")
    return sorted(set(found))


def unescaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("unicode_escape")


def charge(desk: Desk, id_tag: str, **changes: Any) -> int:
    id = int(desk.start(idTag=id_tag, **changes)["transactionId"])
    desk.stop(id, idTag=id_tag.lower(), meterStop=5000)
    return id


def fill(store: Store) -> Desk:
    """The tag everywhere, as the server itself puts it there, or commands of others would."""
    desk = store.desk()

    def register(tx: Tx) -> None:
        for tag, parent in ((TAG, "fleet"), ("other", TAG.upper())):
            inventory.put_id_tag(
                tx, tag, parent_id_tag=parent, note=f"not {TAG}", actor=ADMIN, now=NOW
            )
        audit.record(tx, ADMIN, "id_tag.set_status", f"id-tags/{TAG.lower()}", NOW)

    store.committer.run(0, register)
    id = charge(desk, TAG)
    signed = {"value": SIGNED, "format": "SignedData"}
    desk.send(
        "MeterValues",
        {
            "connectorId": 1,
            "transactionId": id,
            "meterValue": [{"timestamp": "2026-03-01T11:10:00Z", "sampledValue": [signed]}],
        },
    )
    charge(desk, "other", connectorId=2)  # its parent is the tag
    desk.send_frame(
        b'[2,"e","StartTransaction",{"connectorId":3,"idTag":"\\u0030fc673ab","meterStart":1,'
        b'"timestamp":"2026-03-01T11:00:00Z"}]'
    )
    last = store.rows(Transaction.select().order_by(Transaction.id.desc()))[0]["id"]
    store.committer.run(
        0, lambda tx: resolutions.close(tx, last, f"{TAG} has left", actor=ADMIN, now=NOW)
    )
    desk.stop(-1, idTag=TAG)
    with pytest.raises(CallRefused):
        desk.send("StopTransaction", {"transactionId": id, "idTag": TAG})
    nested = json.dumps({"idTag": TAG})
    desk.send("DataTransfer", {"vendorId": "v", "data": nested})
    orphan = store.row(models.OrphanStop.select())["id"]
    decision = Decision("dismissed", None, f"of ({TAG})")
    store.committer.run(
        0,
        lambda tx: resolutions.resolve_orphan_stop(tx, orphan, decision, actor=ADMIN, now=NOW),
    )
    key = desk.charge_point.id
    frame = json.dumps([2, "1", "Authorize", {"idTag": TAG}])
    start = json.dumps({"idTag": TAG, "connectorId": 1})
    for query in (
        models.Message.insert(
            charge_point_id=key,
            direction="from_charge_point",
            message_id="1",
            action="Authorize",
            request=frame,
            response='[3,"1",{"idTagInfo":{"status":"Accepted","parentIdTag":"0fc673aB"}}]',
            connection_epoch=1,
            sent_at=NOW,
        ),
        models.Command.insert(
            charge_point_id=key,
            action="RemoteStartTransaction",
            request=start,
            message_id="m",
            not_before=NOW,
            expires_at=NOW,
            created_by="x",
            created_at=NOW,
            response=start,
            error_description=f"no {TAG} here",
        ),
        models.CommandBatch.insert(
            action="RemoteStartTransaction",
            request=start,
            created_by="x",
            created_at=NOW,
            commands_total=1,
        ),
        models.RemoteStart.insert(
            charge_point_id=key,
            command_id=1,
            id_tag=TAG,
            id_tag_key=TAG.casefold(),
            start_within_s=1,
            created_by="x",
            created_at=NOW,
        ),
        models.Reservation.insert(
            charge_point_id=key,
            reservation_id=1,
            connector_id=1,
            id_tag=TAG,
            parent_id_tag=TAG.upper(),
            status="accepted",
            expires_at=NOW,
            created_by="x",
            created_at=NOW,
            updated_at=NOW,
        ),
        ChargePoint.update(local_list_version=3).where(ChargePoint.id == key),
        LocalListEntry.insert(
            charge_point_id=key,
            id_tag_key="other",
            id_tag="other",
            info=json.dumps({"status": "Accepted", "parentIdTag": TAG}),
        ),
        LocalListEntry.insert(
            charge_point_id=key, id_tag_key=TAG.casefold(), id_tag=TAG, info="{}"
        ),
    ):
        store.write(query)
    return desk


def test_afterwards_it_stands_nowhere(store: Store) -> None:
    desk = fill(store)
    before = places(store, TAG)
    assert {place.partition(".")[0] for place in before} >= {
        *("audit_events", "command_batches", "commands", "data_transfers", "id_tags"),
        *("local_list_entries", "messages", "meter_values", "orphan_stops", "quarantine"),
        *("remote_starts", "reservations", "transaction_evidence", "transactions"),
    }
    done = run(store)
    assert places(store, TAG) == []
    assert done.pseudonym == PSEUDONYM
    assert done.rows.keys() == {place.partition(".")[0] for place in before}
    assert done.rows["transactions"] == 3
    # It is registered no more, and what a charge point holds of it is sent anew, whole.
    assert [row["id_tag"] for row in store.rows(IdTag.select())] == ["other"]
    assert store.rows(LocalListEntry.select()) == []
    row = store.row(ChargePoint.select().where(ChargePoint.id == desk.charge_point.id))
    assert row["local_list_version"] is None


def test_figures_stay_those_of_one_tag(store: Store) -> None:
    fill(store)
    before = store.rows(Transaction.select().order_by(Transaction.id))
    run(store)
    after = store.rows(Transaction.select().order_by(Transaction.id))
    tags = [(row["id_tag"], row["id_tag_key"], row["parent_id_tag_key"]) for row in after]
    assert tags == [
        (PSEUDONYM, PSEUDONYM, "fleet"),
        ("other", "other", PSEUDONYM),
        (PSEUDONYM, PSEUDONYM, "fleet"),
    ]
    assert after[0]["stop_id_tag"] == PSEUDONYM
    named = {"id_tag", "id_tag_key", "parent_id_tag", "parent_id_tag_key", "stop_id_tag"}
    named.add("close_reason")
    assert [{k: v for k, v in row.items() if k not in named} for row in after] == [
        {k: v for k, v in row.items() if k not in named} for row in before
    ]
    assert store.row(MeterValue.select())["raw_value"] == SIGNED.replace("0fc673AB", PSEUDONYM)
    frames = store.rows(TransactionEvidence.select().order_by(TransactionEvidence.id))
    assert json.loads(frames[0]["frame"])[3]["idTag"] == PSEUDONYM
    assert json.loads(frames[0]["frame"])[3]["meterStart"] == 1000


def test_the_trail_names_the_pseudonym_alone(store: Store) -> None:
    charge(store.desk(), TAG)
    done = run(store)
    line = store.rows(models.AuditEvent.select().order_by(models.AuditEvent.id))[-1]
    assert (line["actor"], line["action"]) == (ADMIN.name, "id_tag.pseudonymise")
    assert line["target"] == f"id-tags/{PSEUDONYM}"
    assert json.loads(line["detail"]) == {"rows": dict(done.rows)}


class Crash(Exception):
    pass


def test_it_goes_on_after_a_crash(store: Store) -> None:
    fill(store)
    write, left = writer(store), 6

    def failing(work: Callable[[Tx], Any]) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Crash
        return write(work)

    with pytest.raises(Crash):
        pseudonyms.pseudonymise(store.engine, failing, TAG, PSEUDONYM, actor=ADMIN, now=NOW)
    assert places(store, TAG) != []
    run(store)
    assert places(store, TAG) == []
    tags = {row["id_tag"] for row in store.rows(Transaction.select())}
    assert tags == {PSEUDONYM, "other"}
    assert run(store).rows == {}


def test_not_while_it_charges(store: Store) -> None:
    desk = store.desk()
    desk.start(idTag=TAG)
    with pytest.raises(Refused) as refused:
        run(store, TAG.lower())
    assert (refused.value.status, refused.value.code) == (409, "active_transactions")
    assert "transactions.id_tag" in places(store, TAG)


@pytest.mark.parametrize(
    ("id_tag", "others"),
    [("5000", 5000), ("Local", "Local"), ("CP-1", "CP-1"), ("12345678", "12345678")],
)
def test_a_tag_that_is_a_number_or_a_word_takes_no_others_along(
    store: Store, id_tag: str, others: Any
) -> None:
    desk = store.desk("CP-1")
    id = desk.start(idTag=id_tag, meterStart=1000)["transactionId"]
    desk.stop(id, idTag=id_tag.upper(), meterStop=5000, reason="Local")
    samples = [{"timestamp": "2026-03-01T11:10:00Z", "sampledValue": [{"value": "12345678"}]}]
    desk.send("MeterValues", {"connectorId": 1, "transactionId": id, "meterValue": samples})
    run(store, id_tag)
    row = store.row(Transaction.select())
    assert (row["id_tag"], row["stop_id_tag"]) == (PSEUDONYM, PSEUDONYM)
    assert (row["meter_stop_wh"], row["stop_reason"]) == (5000, "Local")
    stop = json.loads(store.rows(TransactionEvidence.select())[-1]["frame"])[3]
    assert (stop["idTag"], stop["meterStop"], stop["reason"]) == (PSEUDONYM, 5000, "Local")
    assert store.row(MeterValue.select())["raw_value"] == "12345678"
    assert store.row(ChargePoint.select())["identity"] == "CP-1"


def test_a_tag_within_another_text_is_another_one(store: Store) -> None:
    desk = store.desk()
    charge(desk, TAG)
    charge(desk, f"X{TAG}", connectorId=2)
    run(store)
    tags = [row["id_tag"] for row in store.rows(Transaction.select().order_by(Transaction.id))]
    assert tags == [PSEUDONYM, f"X{TAG}"]
    assert "transaction_evidence.frame" in places(store, f"X{TAG}")


def test_spellings_that_lower_case_does_not_tell(store: Store) -> None:
    desk = store.desk()
    charge(desk, "Straße-7")
    charge(desk, "STRASSE-7", connectorId=2)
    run(store, "strasse-7")
    assert places(store, "straße-7") == places(store, "strasse-7") == []


def test_long_tables_are_walked_in_parts(store: Store) -> None:
    key = store.desk().charge_point.id
    rows = [
        {
            "charge_point_id": key,
            "direction": "from_charge_point",
            "message_id": str(number),
            "action": "Authorize",
            "request": json.dumps([2, "1", "Authorize", {"idTag": TAG}]),
            "connection_epoch": 1,
            "sent_at": NOW + timedelta(seconds=number),
        }
        for number in range(1201)
    ]
    store.write(models.Message.insert_many(rows))
    assert run(store).rows == {"messages": 1201}
    assert places(store, TAG) == []


def test_pseudonyms_are_id_tags() -> None:
    made = {pseudonyms.new_pseudonym() for _ in range(100)}
    assert len(made) == 100
    assert all(pseudonyms.PSEUDONYM.fullmatch(text) and rules.is_id_tag(text) for text in made)
