"""The queue of what is owed: order, retries, and the transaction id that comes late."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.simulator.transaction_queue import LocalTransaction, TransactionQueue


def make_queue(*, new_id_on_retry: bool = False) -> TransactionQueue:
    numbers = count(1)
    return TransactionQueue(lambda: f"m{next(numbers)}", new_id_on_retry=new_id_on_retry)


@given(st.lists(st.sampled_from(["answered", "lost", "refused"]), max_size=60))
def test_order_holds_whatever_happens(outcomes: list[str]) -> None:
    queue = make_queue()
    for number in range(5):
        queue.put("MeterValues", {"number": number})
    done: list[object] = []
    for outcome in outcomes:
        message = queue.transmit()
        if message is None:
            break
        if outcome == "answered":
            done.append(queue.answered({}).payload["number"])
        elif outcome == "refused" and queue.refused(3, 60) is None:
            done.append(message.payload["number"])
    assert done == list(range(len(done)))
    assert len(queue) == 5 - len(done)


def test_retry_with_the_same_id() -> None:
    queue = make_queue()
    queue.put("MeterValues", {})
    ids = [message.message_id for _ in range(3) if (message := queue.transmit())]
    assert ids == ["m1", "m1", "m1"]


def test_retry_with_a_new_id() -> None:
    queue = make_queue(new_id_on_retry=True)
    queue.put("MeterValues", {})
    ids = [message.message_id for _ in range(3) if (message := queue.transmit())]
    assert ids == ["m1", "m2", "m3"]


def test_transaction_id_reaches_what_was_queued_before_it_was_known() -> None:
    queue, transaction = make_queue(), LocalTransaction()
    queue.put("StartTransaction", {"meterStart": 1}, transaction)
    queue.put("MeterValues", {"connectorId": 1}, transaction)
    start = queue.transmit()
    assert start is not None
    assert start.payload_on_the_wire() == {"meterStart": 1}
    queue.answered({"transactionId": 77, "idTagInfo": {"status": "Accepted"}})
    meter_values = queue.transmit()
    assert meter_values is not None
    assert meter_values.payload_on_the_wire() == {"connectorId": 1, "transactionId": 77}


def test_refused_start_leaves_minus_one() -> None:
    queue, transaction = make_queue(), LocalTransaction()
    queue.put("StartTransaction", {}, transaction)
    queue.put("StopTransaction", {}, transaction)
    queue.transmit()
    assert queue.refused(1, 60) is None
    stop = queue.transmit()
    assert stop is not None
    assert stop.payload_on_the_wire() == {"transactionId": -1}


def test_waiting_time_grows_as_the_specification_says() -> None:
    # The example of §3.7.1: three attempts, 60 seconds.
    queue = make_queue()
    queue.put("StopTransaction", {})
    waits = []
    for _ in range(3):
        queue.transmit()
        waits.append(queue.refused(3, 60))
    assert waits == [60, 120, None]
    assert len(queue) == 0


def test_lost_connections_never_cost_a_message() -> None:
    queue = make_queue()
    queue.put("StopTransaction", {})
    for _ in range(100):
        assert queue.transmit() is not None
    assert len(queue) == 1


def test_empty_queue_has_nothing_to_transmit() -> None:
    assert make_queue().transmit() is None
