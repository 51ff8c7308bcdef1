"""`/transactions`: what was charged, filtered as in the API, and as CSV what is shown."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial

from flask import Response
from werkzeug.exceptions import UnprocessableEntity

from ocpp_cs.api import transactions as api
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.forms import Checked, check, typed_time
from ocpp_cs.console.page import Values, show
from ocpp_cs.console.paging import read_page, wanted_word
from ocpp_cs.db import queries
from ocpp_cs.rules import TransactionFlag, flag_names

FLAGS = [name for flag in TransactionFlag for name in flag_names(flag)]
FILTERS = (
    "charge_point_id",
    "connector_id",
    "id_tag",
    "parent_id_tag",
    "status",
    "from",
    "to",
    "flag",
    "min_energy_kwh",
)
"""Parameters of the URL, as those of the API but for the energy."""


@console.get("/transactions")
def show_transactions() -> Response:
    filters = _filters()
    checked = _checked(filters)
    values = {
        "filters": filters,
        "wrong": checked.wrong,
        "statuses": api.STATUSES,
        "flags": FLAGS,
    }
    if checked.wrong:
        return show("transactions", values, status=422)
    wanted = api.wanted_transactions(checked.values)
    parts = {"totals": partial(_totals, wanted), "rows": partial(_rows, wanted)}
    return show("transactions", values, parts)


@console.get("/transactions.csv")
def download_transactions() -> Response:
    """The same rows as a stream, from the first one on."""
    checked = _checked(_filters())
    if checked.wrong:
        raise UnprocessableEntity
    return api.list_transactions({**checked.values, "format": "csv"})


def _filters() -> dict[str, str]:
    """What is typed into the filters, those that are empty left out."""
    typed = {name: wanted_word(name) for name in FILTERS}
    return {name: word for name, word in typed.items() if word is not None}


def _checked(filters: dict[str, str]) -> Checked:
    given = dict(filters)
    for name in given.keys() & {"from", "to"}:
        given[name] = typed_time(given[name])
    if "min_energy_kwh" in given:
        given["min_energy_wh"] = _typed_energy(given.pop("min_energy_kwh"))
    return check(api.TransactionParameters(), given)


def _typed_energy(kwh: str) -> str:
    """Wh of what is typed as kWh, with a comma or a point."""
    with suppress(InvalidOperation, ValueError, OverflowError):
        return str(int(Decimal(kwh.replace(",", ".")) * 1000))
    return kwh


def _totals(wanted: queries.TransactionFilter) -> Values:
    totals = current_engine().read(lambda: queries.transaction_totals(wanted))
    return {"totals": totals}


def _rows(wanted: queries.TransactionFilter) -> Values:
    now = request_time()
    page = read_page(
        "transactions",
        (datetime, int),
        partial(queries.transactions, wanted, now=now),
        lambda row: (row.started_at, row.id),
    )
    power_w: dict[int, float] = {}
    if active := [row.id for row in page.rows if row.status == "active"]:
        power_w = current_engine().read(lambda: queries.powers_now(active, now=now))
    return {"page": page, "power_w": power_w, "flag_names": flag_names}
