"""`/charge-points/{id}/events`: firmware, diagnostics and security, as the charge point told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from flask import Response

from ocpp_cs.console.blueprint import console
from ocpp_cs.console.charge_point import show_tab
from ocpp_cs.console.page import Values
from ocpp_cs.console.paging import read_page, wanted_choice
from ocpp_cs.db import queries

KINDS: Mapping[str, Callable[..., Any]] = {
    "security": partial(queries.security_events, wanted=queries.SecurityEventFilter()),
    "firmware": partial(queries.firmware_events, wanted=queries.FirmwareEventFilter()),
    "diagnostics": partial(queries.diagnostics_events, wanted=queries.DiagnosticsEventFilter()),
}


@console.get("/charge-points/<charge_point_id>/events")
def show_events(charge_point_id: str) -> Response:
    kind = wanted_choice("kind", tuple(KINDS)) or "security"

    def rows() -> Values:
        def read(after: Any, limit: int) -> Any:
            return KINDS[kind](charge_point_id, after=after, limit=limit)

        types = (datetime, int)
        page = read_page(f"{kind}-events", types, read, lambda row: (row.received_at, row.id))
        return {"page": page}

    values = {"kind": kind, "kinds": tuple(KINDS)}
    return show_tab("events", charge_point_id, {"rows": rows}, values)
