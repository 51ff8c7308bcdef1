"""`/transactions`: what was charged, and by whom, with the frames that prove it.

Figures that follow from others (energy, duration, average power) are made in `db.queries`. All that
can be changed is that one ends whose stop does not come.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

import msgspec
from flask import Response
from flask.views import MethodView
from marshmallow import fields

from ocpp_cs import resolutions
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import (
    INT32_MAX,
    INT64_MAX,
    Each,
    Flags,
    Number,
    Row,
    Text,
    Time,
    Whole,
    example_of,
    number_range,
    text_range,
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.ordering import ordered
from ocpp_cs.api.problems import refuse
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.rules import TransactionFlag, flag_names

STATUSES = ("active", "completed")
ID_TAG_STATUSES = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
_NEWEST_FIRST = "-started_at"
_BITS = {name: int(flag) for flag in TransactionFlag for name in flag_names(flag)}
_START_FRAME = [
    2,
    "3",
    "StartTransaction",
    {
        "connectorId": 1,
        "idTag": "0fc673",
        "meterStart": 10000,
        "timestamp": "2021-11-10T14:00:00.000Z",
    },
]

blueprint = Blueprint("transactions", "Transactions: charging sessions with meter values.")


class Transaction(Row):
    """A charging transaction. Of an active one, figures are as of its latest register sample."""

    id = Whole("The transaction's id, unique over all charge points.", 1)
    charge_point_id = Text("The charge point that it runs at.", "CB-4711")
    connector_id = Whole("The connector, counted from 1.", 1)
    id_tag = Text("The id tag that started it, as it was sent.", "0fc673")
    parent_id_tag = Text("The group of that id tag at the start.", "fleet-north", nullable=True)
    id_tag_status = Text(
        "What the charge point was told of the id tag at the start.",
        "Accepted",
        choices=ID_TAG_STATUSES,
    )
    started_at = Time("Start, by the charge point's clock.", "2021-11-10T14:00:00.000Z")
    stopped_at = Time(
        "Stop, by the charge point's clock; null while active.",
        "2021-11-10T15:15:00.000Z",
        nullable=True,
    )
    received_at = Time(
        "When its start was received: long after started_at if the charge point was offline.",
        "2021-11-10T14:00:01.250Z",
    )
    meter_start_wh = Whole("Energy register at the start.", 10000, unit="Wh")
    meter_stop_wh = Whole(
        "Energy register at the stop; null while active.", 15000, unit="Wh", nullable=True
    )
    energy_wh = Whole(
        "Energy charged: meter_stop_wh less meter_start_wh. Of an active one its latest register "
        "sample less meter_start_wh, null before the first. Negative if the register fell.",
        5000,
        unit="Wh",
        nullable=True,
    )
    duration_s = Number(
        "Time from start to stop, of an active one until now. Negative if the clock went back.",
        4500,
        unit="s",
    )
    average_power_w = Number(
        "energy_wh over the time that it was measured in; null without energy or time.",
        4000,
        unit="W",
        nullable=True,
    )
    max_power_w = Number(
        "Highest power among its samples; null if none had a power.",
        7360.5,
        unit="W",
        nullable=True,
    )
    stop_reason = Text(
        "Why it stopped, as the charge point said; Local if it said nothing. Null while active, "
        "and of one that an operator closed.",
        "EVDisconnected",
        nullable=True,
    )
    stop_id_tag = Text("The id tag that stopped it, if one did.", "0fc673", nullable=True)
    reservation_id = Whole("The reservation that it used.", 12, nullable=True)
    status = Text(
        "active until its stop has come, or an operator has closed it.",
        "completed",
        choices=STATUSES,
    )
    flags = Flags("What is odd about it; empty for most.", ["naive_time"])


class SampleSummary(Row):
    """All samples of one kind in a transaction."""

    measurand = Text("What is measured.", "Energy.Active.Import.Register")
    phase = Text("The phase; null for all together.", "L1", nullable=True)
    location = Text("Where it is measured.", "Outlet")
    unit = Text("The unit of min_value and max_value.", "Wh", nullable=True)
    samples = Whole("How many there are.", 4, unit="samples")
    first_sampled_at = Time("Time of the first one.", "2021-11-10T14:15:00.000Z")
    last_sampled_at = Time("Time of the last one.", "2021-11-10T15:00:00.000Z")
    min_value = Number("The least; null if none is a number.", 11000, nullable=True)
    max_value = Number("The greatest; null if none is a number.", 14000, nullable=True)


class Frame(Row):
    """A frame as it came from the charge point."""

    message_id = Text("The message id that the charge point gave it.", "3")
    received_at = Time("When it was received first.", "2021-11-10T14:00:01.250Z")
    frame = fields.Raw(
        required=True,
        metadata={
            "description": "The whole frame as JSON; as a text if it is not readable as such.",
            "example": _START_FRAME,
        },
    )


class TransactionDetail(Transaction):
    """A transaction with its samples summed up, and the frames that it was made of."""

    closed_at = Time(
        "When an operator closed it, as its stop did not come; null again once a stop has come.",
        "2021-11-11T08:00:00.000Z",
        nullable=True,
    )
    closed_by = Text("Who closed it.", "night shift (k3f7x2ab)", nullable=True)
    close_reason = Text("Why it was closed.", "the charge point was replaced", nullable=True)
    samples = Each(SampleSummary, "Its samples, summed up by kind.")
    start = fields.Nested(
        Frame,
        required=True,
        allow_none=True,
        metadata={"description": "Its StartTransaction.", "example": example_of(Frame)},
    )
    stop = fields.Nested(
        Frame,
        required=True,
        allow_none=True,
        metadata={
            "description": "The StopTransaction that ended it; null if none has come.",
            "example": {
                "message_id": "4",
                "received_at": "2021-11-10T15:15:01.100Z",
                "frame": [
                    2,
                    "4",
                    "StopTransaction",
                    {
                        "transactionId": 1,
                        "meterStop": 15000,
                        "timestamp": "2021-11-10T15:15:00.000Z",
                    },
                ],
            },
        },
    )
    conflicting_stops = Each(
        Frame, "Further, different StopTransactions that came for it: the first one stands."
    )


class Closing(Body):
    """Why a transaction is closed."""

    reason = Text(
        "Why it is closed, for those who come later.",
        "the charge point was replaced",
        validate=text_range(),
    )


class TransactionParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    connector_id = Whole(
        "Only those of connectors with this number.",
        1,
        required=False,
        validate=number_range(0, INT32_MAX),
    )
    id_tag = wanted_text("Only those started by this id tag; case does not matter.", "0fc673")
    parent_id_tag = wanted_text(
        "Only those started by a member of this group; case does not matter.", "fleet-north"
    )
    status = Text("Only those of this status.", "active", required=False, choices=STATUSES)
    since = Time(
        "Only those started at or after this time.",
        "2021-11-01T00:00:00Z",
        required=False,
        data_key="from",
    )
    until = Time(
        "Only those started before this time.",
        "2021-12-01T00:00:00Z",
        required=False,
        data_key="to",
    )
    flag = Text("Only those with this flag.", "suspect_open", required=False, choices=tuple(_BITS))
    min_energy_wh = Whole(
        "Only those with at least so much energy.",
        1000,
        unit="Wh",
        required=False,
        validate=number_range(-INT64_MAX, INT64_MAX),
    )
    sort = Text(
        "The order: newest first, or oldest first.",
        _NEWEST_FIRST,
        required=False,
        load_default=_NEWEST_FIRST,
        choices=(_NEWEST_FIRST, "started_at"),
    )


TRANSACTIONS = Listing("transactions", Transaction, ("started_at", "id"), (datetime, int))


@blueprint.route("/transactions")
class Transactions(MethodView):
    @TRANSACTIONS.view(blueprint, TransactionParameters, "list_transactions")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List transactions.

        Newest start first, unless `sort` says otherwise.
        """
        return list_transactions(parameters)


def wanted_transactions(parameters: dict[str, Any]) -> queries.TransactionFilter:
    """The filter that loaded `TransactionParameters` mean."""
    flag = parameters.get("flag")
    given = parameters if flag is None else {**parameters, "flag": _BITS[flag]}
    return filter_of(queries.TransactionFilter, given)


def list_transactions(parameters: dict[str, Any]) -> Response:
    """The list in the order and format that loaded `TransactionParameters` ask for."""
    sort, wanted = parameters["sort"], wanted_transactions(parameters)
    how = {"now": request_time(), "newest_first": sort == _NEWEST_FIRST}
    return answer(
        TRANSACTIONS,
        parameters,
        partial(queries.transactions, wanted, **how),
        scan=partial(queries.transaction_scan, wanted, **how),
        order=sort,
    )


@blueprint.route("/transactions/<transaction_id>")
class OneTransaction(MethodView):
    @blueprint.item(TransactionDetail, "get_transaction")
    def get(self, transaction_id: int) -> dict[str, Any]:
        """Get a transaction.

        With its samples summed up, and with the frames that it was made of.
        """
        return _detail(transaction_id)


@blueprint.route("/transactions/<transaction_id>/close")
class ClosedTransaction(MethodView):
    @blueprint.item(TransactionDetail, "close_transaction", refusals=(404, 409))
    @blueprint.body(Closing)
    def post(self, wish: dict[str, Any], transaction_id: int) -> dict[str, Any]:
        """Close a transaction whose stop does not come.

        It ends with the last that is known of it: the time of its latest sample and its latest
        register, or else those of its start. The flag `closed_by_operator` says so. A real stop
        that comes later overrides this. Nothing is sent to the charge point.
        """
        found = current_engine().read(
            partial(queries.transaction_row, transaction_id, now=request_time())
        )
        if found is None:
            refuse_unknown(transaction_id)
        actor, now = current_actor(), request_time()

        def work(tx: Tx) -> None:
            resolutions.close(tx, transaction_id, wish["reason"], actor=actor, now=now)

        ordered(work, charge_point=found.charge_point_id)
        return _detail(transaction_id)


def _detail(transaction_id: int) -> dict[str, Any]:
    found = current_engine().read(partial(queries.transaction, transaction_id, now=request_time()))
    if found is None:
        refuse_unknown(transaction_id)
    frames: dict[str, list[dict[str, Any]]] = {}
    for evidence in found.evidence:
        frames.setdefault(evidence.kind, []).append(_frame(evidence))
    return {
        **found.transaction._asdict(),
        **found.closing._asdict(),
        "samples": found.samples,
        "start": next(iter(frames.get("start", ())), None),
        "stop": next(iter(frames.get("stop", ())), None),
        "conflicting_stops": frames.get("conflicting_stop", []),
    }


def refuse_unknown(transaction_id: int) -> NoReturn:
    refuse(404, f"There is no transaction {transaction_id}.")


def _frame(evidence: queries.Evidence) -> dict[str, Any]:
    """The frame as JSON where it can be shown as such: no hostile number or nesting gets out."""
    frame: Any = evidence.frame
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        frame = msgspec.json.decode(evidence.frame)
    return {**evidence._asdict(), "frame": frame}
