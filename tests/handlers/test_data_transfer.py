"""DataTransfer: stored, and answered by the vendor's handler or `UnknownVendorId` (R40)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import DataTransfer, StatusEvent
from ocpp_cs.handlers.context import CallContext
from ocpp_cs.handlers.data_transfer import VendorHandler, register, unregister
from ocpp_cs.ocpp16.messages.core import DataTransferRequest, DataTransferResponse
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Store

store = kept.store

VENDOR = "com.example"


def send(desk: Desk, message_id: str | None = None, **changes: Any) -> Any:
    payload = {"vendorId": VENDOR, "messageId": "price", "data": '{"kWh": "0.39"}', **changes}
    return desk.send("DataTransfer", payload, message_id)


@pytest.fixture
def vendor() -> Iterator[Callable[[VendorHandler], None]]:
    """Registers a handler for this test's vendor."""
    yield lambda handler: register(VENDOR, handler)
    unregister(VENDOR)


def test_what_nobody_knows_is_stored_and_answered_without_data(store: Store) -> None:
    assert send(store.desk()) == {"status": "UnknownVendorId"}
    row = store.row(DataTransfer.select())
    assert (row["vendor_id"], row["vendor_message_id"]) == (VENDOR, "price")
    assert (row["data"], row["answer_status"], row["answer_data"]) == (
        '{"kWh": "0.39"}',
        "UnknownVendorId",
        None,
    )
    assert row["received_at"] == NOW


def test_only_the_vendor_is_required_and_anything_may_be_in_the_data(store: Store) -> None:
    desk = store.desk()
    assert desk.send("DataTransfer", {"vendorId": ""}) == {"status": "UnknownVendorId"}
    hostile = "NUL \x00 surrogate \ud800 " + "x" * 100_000
    assert send(desk, data=hostile) == {"status": "UnknownVendorId"}
    empty, long = store.rows(DataTransfer.select().order_by(DataTransfer.id))
    assert (empty["vendor_message_id"], empty["data"]) == (None, None)
    assert long["data"] == "NUL \ufffd surrogate \ufffd " + "x" * 100_000


def test_a_vendors_handler_answers(store: Store, vendor: Callable[[VendorHandler], None]) -> None:
    def answer(tx: Tx, context: CallContext, request: DataTransferRequest) -> DataTransferResponse:
        told = f"{context.charge_point.identity}: {request.data}"
        return DataTransferResponse(status="Accepted", data=told)

    vendor(answer)
    desk = store.desk()
    assert send(desk, data="x") == {"status": "Accepted", "data": "CP-1: x"}
    assert send(desk, vendorId="com.other") == {"status": "UnknownVendorId"}
    assert [row["answer_data"] for row in store.rows(DataTransfer.select())] == ["CP-1: x", None]
    unregister(VENDOR)
    assert send(desk, data="x") == {"status": "UnknownVendorId"}


def test_a_vendor_has_one_handler(vendor: Callable[[VendorHandler], None]) -> None:
    def refuse(tx: Tx, context: CallContext, request: DataTransferRequest) -> DataTransferResponse:
        return DataTransferResponse(status="Rejected")

    vendor(refuse)
    with pytest.raises(ValueError, match=VENDOR):
        vendor(refuse)
    unregister("com.unknown")  # is ignored


def test_a_retransmission_gets_the_answer_that_was_given(
    store: Store, vendor: Callable[[VendorHandler], None]
) -> None:
    calls: list[str | None] = []

    def count(tx: Tx, context: CallContext, request: DataTransferRequest) -> DataTransferResponse:
        calls.append(request.data)
        return DataTransferResponse(status="Accepted", data=str(len(calls)))

    vendor(count)
    desk = store.desk()
    answers = [send(desk, "1"), send(desk, "1"), send(store.desk(), "1")]
    assert [answer["data"] for answer in answers] == ["1", "1", "1"]
    # The same id with another content is a new message (R7), as is another charge point's.
    assert send(desk, "1", data="other")["data"] == "2"
    assert send(desk, "1", messageId="other")["data"] == "3"
    assert send(store.desk("CP-2"), "1")["data"] == "4"
    assert send(desk, "2")["data"] == "5"
    assert send(desk, "1")["data"] == "1"
    desk.now += timedelta(minutes=11)
    assert send(desk, "1")["data"] == "6"
    assert len(calls) == len(store.rows(DataTransfer.select())) == 6


def test_what_a_handler_writes_is_stored_with_its_message_or_not_at_all(
    store: Store, vendor: Callable[[VendorHandler], None]
) -> None:
    fails = True

    def write(tx: Tx, context: CallContext, request: DataTransferRequest) -> DataTransferResponse:
        row = {
            "charge_point_id": context.charge_point.id,
            "connector_id": 1,
            "status": "Available",
            "error_code": "NoError",
            "occurred_at": context.now,
            "received_at": context.now,
            "message_id": context.call.message_id,
            "event_key": "vendor",
        }
        tx.run(StatusEvent.insert(**row))
        if fails:
            raise RuntimeError("the vendor's handler has a defect")
        return DataTransferResponse(status="Accepted")

    vendor(write)
    desk = store.desk()
    with pytest.raises(RuntimeError, match="defect"):
        send(desk)
    assert store.rows(DataTransfer.select()) == store.rows(StatusEvent.select()) == []
    fails = False
    assert send(desk) == {"status": "Accepted"}
    assert len(store.rows(StatusEvent.select())) == 1
