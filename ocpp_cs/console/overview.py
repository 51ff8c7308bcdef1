"""`/`: what the charge points do now, what was charged lately, and what somebody should look at."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from flask import Flask, Response, current_app

from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_committer, current_engine
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.energy import EnergyOfLate
from ocpp_cs.console.options import current_options
from ocpp_cs.console.page import Values, show
from ocpp_cs.db import queries

_NAME = "ocpp_cs.console.energy"
_SESSIONS = 8  # shown
_PROBLEMS = 6  # shown of each kind
_REFUSED_WITHIN = timedelta(days=1)


class Problem(NamedTuple):
    """Something that somebody should look at; `kind` names its texts, `row` is what they tell of.
    No other one of its kind has its `key`."""

    kind: str  # "offline", "faulted", "refused" or "stuck"
    key: str
    at: datetime
    row: Any


def register_energy(app: Flask) -> None:
    with app.app_context():
        zone = current_options().zone
        app.extensions[_NAME] = EnergyOfLate(current_committer().engine, zone)


@console.get("/")
def show_overview() -> Response:
    return show("overview", parts={"now": _now, "energy": _energy})


def _energy() -> Values:
    energy: EnergyOfLate = current_app.extensions[_NAME]
    return {"energy": energy.get(request_time())}


def _now() -> Values:
    return current_engine().read(lambda: _read_now(request_time()))


def _read_now(now: datetime) -> Values:
    running = queries.running_sessions(now=now)
    active = queries.TransactionFilter(status="active")
    return {
        "charge_points": queries.charge_point_counts(now=now),
        "statuses": queries.connector_counts(now=now),
        "running": running,
        "power_w": sum(running.power_w.values()) if running.power_w else None,
        "sessions": queries.transactions(active, None, _SESSIONS, now=now),
        "problems": _problems(now),
    }


def _problems(now: datetime) -> list[Problem]:
    """The latest of each kind, all together the latest first."""
    refused = queries.ConnectionAttemptFilter(accepted=False, since=now - _REFUSED_WITHIN)
    found = [
        Problem("offline", row.charge_point_id, row.offline_since, row)
        for row in queries.offline_charge_points(_PROBLEMS, now=now)
    ]
    found += [
        Problem("faulted", f"{row.charge_point_id}:{row.connector_id}", row.since, row)
        for row in queries.faulted_connectors(_PROBLEMS, now=now)
    ]
    found += [
        Problem("refused", str(row.id), row.last_attempted_at, row)
        for row in queries.connection_attempts(refused, None, _PROBLEMS)
    ]
    found += [
        Problem("stuck", str(row.id), row.suspect_since, row)
        for row in queries.stuck_transactions(_PROBLEMS)
    ]
    return sorted(found, key=lambda problem: problem.at, reverse=True)
