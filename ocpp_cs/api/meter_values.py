"""`/meter-values`, of all transactions or of one: every sampled value, one by one. Reading only.

What they add up to stands with the transactions.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import (
    INT32_MAX,
    INT64_MAX,
    Number,
    Row,
    Text,
    Time,
    Whole,
    number_range,
    text_range,
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.transactions import refuse_unknown
from ocpp_cs.db import queries

blueprint = Blueprint(
    "meter-values", "Meter values: what was measured, with and without transactions."
)


class MeterValue(Row):
    """One sampled value."""

    sampled_at = Time("When it was measured.", "2021-11-10T14:15:00.000Z")
    connector_id = Whole("The connector that it was measured at; 0 is the whole device.", 1)
    measurand = Text("What is measured.", "Energy.Active.Import.Register")
    value = Number("The value in `unit`; null if it is no number.", 11000, nullable=True)
    unit = Text(
        "The unit of `value`, without prefix: Wh for what was sent in kWh.", "Wh", nullable=True
    )
    phase = Text("The phase; null for all together.", "L1", nullable=True)
    location = Text("Where it is measured.", "Outlet")
    context = Text("What made the charge point measure.", "Sample.Periodic")
    format = Text("Raw, or SignedData: then raw_value is a signed text.", "Raw")
    raw_value = Text("The value exactly as it was sent, in the unit that it was sent in.", "11000")


class _Origin(Row):
    charge_point_id = Text("The charge point that measured it.", "CB-4711")
    transaction_id = Whole("The transaction that it belongs to; null if to none.", 1, nullable=True)


class AnyMeterValue(MeterValue, _Origin):
    """One sampled value, with what it belongs to."""


class MeterValueParameters(ListParameters):
    measurand = wanted_text("Only values of this measurand.", "Energy.Active.Import.Register")
    phase = Text(
        "Only values of this phase; an empty text for values without a phase.",
        "L1",
        required=False,
        validate=text_range(lowest=0),
    )
    context = wanted_text("Only values of this context.", "Sample.Periodic")
    since = Time(
        "Only values measured at or after this time.",
        "2021-11-10T14:00:00Z",
        required=False,
        data_key="from",
    )
    until = Time(
        "Only values measured before this time.",
        "2021-11-10T15:00:00Z",
        required=False,
        data_key="to",
    )


class AnyMeterValueParameters(MeterValueParameters):
    charge_point_id = wanted_text("Only values of this charge point.", "CB-4711")
    connector_id = Whole(
        "Only values of connectors with this number; 0 is the whole device.",
        1,
        required=False,
        validate=number_range(0, INT32_MAX),
    )
    transaction_id = Whole(
        "Only values of this transaction; 0 for values that belong to none.",
        1,
        required=False,
        validate=number_range(0, INT64_MAX),
    )


_METER_VALUES = Listing(
    "meter-values", MeterValue, ("sampled_at", "series_id", "connector_id"), (datetime, int, int)
)
ANY_METER_VALUES = Listing(
    "all-meter-values",
    AnyMeterValue,
    ("charge_point_key", "transaction_key", "sampled_at", "series_id", "connector_id"),
    (int, int, datetime, int, int),
)


@blueprint.route("/meter-values")
class MeterValues(MethodView):
    @ANY_METER_VALUES.view(blueprint, AnyMeterValueParameters, "list_meter_values")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List meter values.

        Those of a charge point stand together, and of these those of a transaction, in the order
        of their time. Values that belong to no transaction come first.
        """
        wanted = filter_of(queries.AnyMeterValueFilter, parameters)
        read = partial(queries.meter_values, wanted)
        return answer(ANY_METER_VALUES, parameters, read, file="meter-values")


@blueprint.route("/transactions/<transaction_id>/meter-values")
class TransactionMeterValues(MethodView):
    @_METER_VALUES.view(blueprint, MeterValueParameters, "list_transaction_meter_values")
    def get(self, parameters: dict[str, Any], transaction_id: int) -> Response:
        """List the meter values of a transaction.

        In the order of their time; those that came with its stop are among them.
        """
        if not current_engine().read(lambda: queries.transaction_exists(transaction_id)):
            refuse_unknown(transaction_id)
        wanted = filter_of(queries.MeterValueFilter, parameters)
        read = partial(queries.transaction_meter_values, transaction_id, wanted)
        file = f"transaction-{transaction_id}-meter-values"
        return answer(_METER_VALUES, parameters, read, file=file)
