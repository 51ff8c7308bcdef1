"""`/charge-points/{id}/conformance`: what the charge point does that OCPP does not allow."""

from __future__ import annotations

from functools import partial

from flask import Response

from ocpp_cs.console.blueprint import console
from ocpp_cs.console.charge_point import show_tab
from ocpp_cs.console.page import Values
from ocpp_cs.console.paging import read_page
from ocpp_cs.db import queries


@console.get("/charge-points/<charge_point_id>/conformance")
def show_conformance(charge_point_id: str) -> Response:
    read = partial(queries.deviations, charge_point_id, queries.DeviationFilter())

    def rows() -> Values:
        types = (str, str, str)
        page = read_page(
            "deviations", types, read, lambda row: (row.firmware_version, row.code, row.detail)
        )
        return {"page": page}

    return show_tab("conformance", charge_point_id, {"rows": rows})
