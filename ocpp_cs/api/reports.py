"""`/reports`: energy, utilisation, unrecorded energy, per group and bucket of time. Reading only.

How figures are made stands in `db.reports` and `db.queries`; its rules are in docs/api.md.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response
from flask.views import MethodView
from marshmallow import Schema, validate

from ocpp_cs.api.blueprint import Blueprint, request_time
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
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.problems import refuse, refuse_fields
from ocpp_cs.buckets import UNITS, Unit, zone_names
from ocpp_cs.db import queries, reports

_ENERGY_KEYS = ("charge_point_id", "connector_id", "id_tag", "parent_id_tag")
_UTILISATION_KEYS = ("charge_point_id", "connector_id")
_STATUSES = "Available, Preparing, Charging and so on, as the charge point said it."

blueprint = Blueprint("reports", "Reports: energy and time, summed up by groups and calendars.")


class _BucketRow(Row):
    bucket = Text(
        "The bucket by its local name: 2026, 2026-03, 2026-W13 (ISO), 2026-03-29 or "
        "2026-03-29T02:00+01:00. Null without a unit of time.",
        "2021-11",
        nullable=True,
    )
    bucket_start = Time(
        "Where the bucket begins, or `from`, if that is later. Null: there is no such limit.",
        "2021-10-31T23:00:00.000Z",
        nullable=True,
    )
    bucket_end = Time(
        "Where it ends, or `to`, if that is earlier. Null: there is no such limit.",
        "2021-11-30T23:00:00.000Z",
        nullable=True,
    )
    charge_point_id = Text("The charge point; null if not grouped by.", "CB-4711", nullable=True)
    connector_id = Whole("The connector's number; null if not grouped by.", 1, nullable=True)


class EnergyBucket(_BucketRow):
    """A group in a bucket of time."""

    id_tag = Text(
        "The id tag, in any case; of several spellings the least. Null if not grouped by.",
        "0fc673",
        nullable=True,
    )
    parent_id_tag = Text(
        "The group of the id tag at the start; null if it had none, or if not grouped by.",
        "fleet-north",
        nullable=True,
    )
    energy_wh = Whole(
        "Energy charged in the bucket. Negative if the register fell.", 5000, unit="Wh"
    )
    transactions = Whole("How many sessions started in the bucket.", 1, unit="transactions")
    duration_s = Number("Time that sessions took of the bucket, all together.", 4500, unit="s")


class UtilisationBucket(_BucketRow):
    """A status of the connectors of a group in a bucket of time."""

    status = Text(f"The status: {_STATUSES}", "Charging")
    duration_s = Number("How long connectors had this status, all together.", 4500, unit="s")
    share = Number(
        "That of the time in which the group's connectors were observed in the bucket, 0 to 1.",
        0.25,
    )


class UnrecordedEnergy(Row):
    """A gap between two transactions that follow each other at a connector."""

    charge_point_id = Text("The charge point.", "CB-4711")
    connector_id = Whole("The connector.", 1)
    previous_transaction_id = Whole("The transaction before the gap.", 1)
    transaction_id = Whole("The transaction after the gap.", 2)
    gap_from = Time("Stop of the one before.", "2021-11-10T15:15:00.000Z")
    gap_to = Time("Start of the one after.", "2021-11-11T08:00:00.000Z")
    meter_stop_wh = Whole("Energy register at gap_from.", 15000, unit="Wh")
    meter_start_wh = Whole("Energy register at gap_to.", 15250, unit="Wh")
    energy_wh = Whole(
        "What no transaction has recorded. Negative if the register fell.", 250, unit="Wh"
    )


def _group_by(keys: tuple[str, ...]) -> Text:
    word = f"({'|'.join((*keys, *UNITS))})"
    return Text(
        f"What a row stands for: any of {', '.join(keys)}, and at most one of "
        f"{', '.join(UNITS)}, separated by commas. Without it there is one group of everything.",
        "charge_point_id,month",
        required=False,
        validate=validate.Regexp(
            f"^{word}(,{word})*$",
            error=f"Must be of {', '.join((*keys, *UNITS))}, separated by commas.",
        ),
    )


class _WindowParameters(ListParameters):
    charge_point_id = wanted_text("Only this charge point.", "CB-4711")
    connector_id = Whole(
        "Only connectors with this number.",
        1,
        required=False,
        validate=number_range(0, INT32_MAX),
    )
    since = Time(
        "Only what lies at or after this time; what began before is cut here.",
        "2021-11-01T00:00:00+01:00",
        required=False,
        data_key="from",
    )
    until = Time(
        "Only what lies before this time; what ends later is cut here.",
        "2021-12-01T00:00:00+01:00",
        required=False,
        data_key="to",
    )


class _ReportParameters(_WindowParameters):
    tz = Text(
        "The time zone of hours, days and so on, by its name in the IANA database.",
        "Europe/Berlin",
        required=False,
        load_default="UTC",
    )


class EnergyParameters(_ReportParameters):
    group_by = _group_by(_ENERGY_KEYS)
    id_tag = wanted_text("Only sessions started by this id tag; case does not matter.", "0fc673")
    parent_id_tag = wanted_text(
        "Only sessions started by a member of this group; case does not matter.", "fleet-north"
    )


class UtilisationParameters(_ReportParameters):
    group_by = _group_by(_UTILISATION_KEYS)


class UnrecordedEnergyParameters(_WindowParameters):
    since = Time(
        "Only gaps that end at or after this time.",
        "2021-11-01T00:00:00Z",
        required=False,
        data_key="from",
    )
    until = Time(
        "Only gaps that end before this time.",
        "2021-12-01T00:00:00Z",
        required=False,
        data_key="to",
    )
    min_energy_wh = Whole(
        "Only gaps with at least so much energy; below 0 also those where the register fell.",
        1,
        unit="Wh",
        required=False,
        load_default=1,
        validate=number_range(-INT64_MAX, INT64_MAX),
    )


def _listing(name: str, row: type[Schema], *keys: str, types: tuple[type, ...]) -> Listing:
    return Listing(name, row, ("begins", *keys), (int, *types))


_ENERGY = _listing(
    "energy",
    EnergyBucket,
    "charge_point_key",
    "connector_key",
    "id_tag_key",
    "parent_id_tag_key",
    types=(str, int, str, str),
)
_UTILISATION = _listing(
    "utilisation",
    UtilisationBucket,
    "charge_point_key",
    "connector_key",
    "status",
    types=(str, int, str),
)
_UNRECORDED = Listing(
    "unrecorded-energy", UnrecordedEnergy, ("gap_to", "transaction_id"), (datetime, int)
)


@blueprint.route("/reports/energy")
class EnergyReport(MethodView):
    @_ENERGY.view(blueprint, EnergyParameters, "list_energy_report")
    def get(self, parameters: dict[str, Any]) -> Response:
        """Report energy.

        Sessions are split over buckets of time by their meter values, exactly: the buckets of a
        session add up to its energy and its duration. In the order of buckets, then groups; a
        group of the window has a row in each bucket. At most 1,000,000 rows.
        """
        return _report(_ENERGY, parameters, _ENERGY_KEYS, reports.EnergyFilter)


@blueprint.route("/reports/utilisation")
class UtilisationReport(MethodView):
    @_UTILISATION.view(blueprint, UtilisationParameters, "list_utilisation_report")
    def get(self, parameters: dict[str, Any]) -> Response:
        """Report utilisation.

        How long connectors had which status. In the order of buckets, groups and statuses; what
        did not occur has no row.
        """
        return _report(_UTILISATION, parameters, _UTILISATION_KEYS, reports.UtilisationFilter)


@blueprint.route("/reports/unrecorded-energy")
class UnrecordedEnergyReport(MethodView):
    @_UNRECORDED.view(blueprint, UnrecordedEnergyParameters, "list_unrecorded_energy_report")
    def get(self, parameters: dict[str, Any]) -> Response:
        """Report unrecorded energy.

        What a connector's register shows between the stop of a transaction and the start of the
        next one. In the order of gap_to.
        """
        wanted = filter_of(queries.UnrecordedEnergyFilter, parameters)
        return answer(_UNRECORDED, parameters, partial(queries.unrecorded_energy, wanted))


def _report(
    listing: Listing, parameters: dict[str, Any], keys: tuple[str, ...], kind: type[Any]
) -> Response:
    grouping = _grouping(parameters, keys)
    make = reports.energy_report if kind is reports.EnergyFilter else reports.utilisation_report
    wanted = filter_of(kind, parameters)
    try:
        pages = make(current_engine(), wanted, grouping, now=request_time())
    except reports.TooLarge as error:
        refuse(422, str(error), code="report_too_large")
    order = " ".join((*grouping.keys, grouping.unit or "", grouping.zone.key))
    return answer(listing, parameters, pages.read, order=order, in_steps=True)


def _grouping(parameters: dict[str, Any], keys: tuple[str, ...]) -> reports.Grouping:
    if parameters["tz"] not in zone_names():
        refuse_fields({"tz": ["Not a time zone of the IANA database, such as Europe/Berlin."]})
    words = [word for word in parameters.get("group_by", "").split(",") if word]
    units: list[Unit] = [unit for unit in UNITS if unit in words]
    if len(set(words)) < len(words):
        refuse_fields({"group_by": ["The same more than once."]})
    if len(units) > 1:
        refuse_fields({"group_by": [f"At most one of {', '.join(UNITS)}."]})
    return reports.Grouping(
        tuple(key for key in keys if key in words),
        units[0] if units else None,
        ZoneInfo(parameters["tz"]),
    )
