"""Authorize: a tag in, an idTagInfo out, and nothing is stored (R32 to R34)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db.models import IdTag, Transaction
from ocpp_cs.rules import Policy
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Refused, Store

store = kept.store

CLOSED = Policy(unknown_charge_points="open", unknown_id_tags="closed")


def add_id_tag(store: Store, id_tag: str, **columns: Any) -> None:
    store.write(
        IdTag.insert(
            id_tag=id_tag,
            id_tag_key=id_tag.casefold(),
            **{"created_at": NOW, "updated_at": NOW, **columns},
        )
    )


def authorize(desk: Desk, id_tag: str) -> Any:
    answer = desk.send("Authorize", {"idTag": id_tag})
    assert list(answer) == ["idTagInfo"]
    return answer["idTagInfo"]


def test_an_unknown_tag_is_answered_by_the_policy(store: Store) -> None:
    assert authorize(store.desk("CP-1"), "0fc673") == {
        "status": "Accepted",
        "expiryDate": "2026-03-02T00:00:00.000Z",
    }
    assert authorize(store.desk("CP-2", CLOSED), "0fc673") == {"status": "Invalid"}
    assert store.rows(IdTag.select()) == []


def test_a_known_tag_is_answered_by_its_row(store: Store) -> None:
    tomorrow, yesterday = NOW + timedelta(days=1), NOW - timedelta(days=1)
    add_id_tag(store, "Plain")
    add_id_tag(store, "ENDS", expires_at=tomorrow, parent_id_tag="FAMILY")
    add_id_tag(store, "ended", expires_at=yesterday)
    add_id_tag(store, "blocked", status="blocked", parent_id_tag="FAMILY")
    add_id_tag(store, "never-ends", expires_at=datetime.fromisoformat("9999-12-31T23:59:59Z"))
    desk = store.desk(policy=CLOSED)
    assert authorize(desk, "Plain") == {"status": "Accepted"}
    assert authorize(desk, "pLAIN") == {"status": "Accepted"}
    assert authorize(desk, "ends") == {
        "status": "Accepted",
        "expiryDate": "2026-03-02T12:00:00.000Z",
        "parentIdTag": "FAMILY",
    }
    assert authorize(desk, "Ended") == {
        "status": "Expired",
        "expiryDate": "2026-02-28T12:00:00.000Z",
    }
    assert authorize(desk, "BLOCKED") == {"status": "Blocked", "parentIdTag": "FAMILY"}
    assert authorize(desk, "FAMILY") == {"status": "Invalid"}  # a parent is no tag itself (R33)
    assert authorize(desk, "Never-Ends")["expiryDate"] == "9999-12-31T23:59:59.000Z"


def test_it_expires_by_the_servers_clock(store: Store) -> None:
    add_id_tag(store, "TAG", expires_at=NOW + timedelta(seconds=1))
    desk = store.desk()
    assert authorize(desk, "TAG")["status"] == "Accepted"
    desk.now += timedelta(seconds=1)
    assert authorize(desk, "TAG")["status"] == "Expired"


def test_a_tag_that_charges_is_still_authorized(store: Store) -> None:
    """ConcurrentTx is an answer to StartTransaction alone (R32, §7.2)."""
    add_id_tag(store, "TAG")
    desk = store.desk(policy=CLOSED)
    transaction_id = desk.start()["transactionId"]
    assert authorize(desk, "TAG")["status"] == "Accepted"
    assert desk.stop(transaction_id, idTag="TAG")["idTagInfo"]["status"] == "Accepted"
    assert len(store.rows(Transaction.select())) == 1


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("payload", [{}, {"idTag": None}, {"idTag": 5}, {"idTag": "x" * 21}])
def test_what_is_no_authorize_is_refused(store: Store, payload: Any) -> None:
    with pytest.raises(Refused):
        store.desk().send("Authorize", payload)
