"""Writes the frames behind transactions, those of a whole group at once."""

from __future__ import annotations

from typing import NamedTuple

from ocpp_cs.db.batch import BatchInsert
from ocpp_cs.db.fields import StoredTime


class Evidence(NamedTuple):
    """A row of `transaction_evidence` without its key: once per kind and event."""

    transaction_id: int
    charge_point_id: int
    kind: str
    event_key: str
    message_id: str
    frame: str
    received_at: StoredTime


insert_evidence = BatchInsert(
    "transaction_evidence",
    {
        "transaction_id": "int4",
        "charge_point_id": "int4",
        "kind": "text",
        "event_key": "text",
        "message_id": "text",
        "frame": "text",
        "received_at": "timestamptz",
    },
)
