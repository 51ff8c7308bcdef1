"""`/id-tags/import`: id tags from a CSV file, all or none, after a look at what it does."""

from __future__ import annotations

import base64
import binascii
from functools import partial

from flask import Response, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.id_tag_imports import LARGEST_FILE
from ocpp_cs.console.blueprint import console, needs, takes
from ocpp_cs.console.page import show
from ocpp_cs.db.offload import offload
from ocpp_cs.imports import ImportRefused, Report, id_tags

_MIB = 1024 * 1024
# What is around a file in a form.
_FORM_BYTES = 64 * 1024
# A file that was looked at goes along with the page that says so, and need not be chosen again.
_KEPT_BYTES = 256 * 1024


@console.get("/id-tags/import")
@needs("operator")
def show_id_tag_import() -> Response:
    return _page()


@console.post("/id-tags/import")
@takes(LARGEST_FILE + _FORM_BYTES)
def import_id_tags() -> Response:
    content = _content()
    if not content:
        return _page(missing=True, status=422)
    dry_run = request.form.get("do") != "import"
    try:
        file = offload(partial(id_tags.read, content))
    except ImportRefused as refused:
        return _page(refused=refused, status=422)
    plan = id_tags.plan(current_engine(), file, dry_run=dry_run)
    if plan.rows and not dry_run:
        actor, now = current_actor(), request_time()
        write(lambda tx: id_tags.carry_out(tx, plan, actor=actor, now=now))
    return _page(report=plan.report, content=content if dry_run else b"")


def _content() -> bytes:
    """The file that was chosen, or the one that was looked at before; empty: none."""
    sent = request.files.get("file")
    content = b"" if sent is None else sent.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise RequestEntityTooLarge
    try:
        return content or base64.b64decode(request.form.get("kept", ""), validate=True)
    except binascii.Error:
        raise BadRequest from None


def _page(
    *,
    report: Report | None = None,
    refused: ImportRefused | None = None,
    missing: bool = False,
    content: bytes = b"",
    status: int = 200,
) -> Response:
    values = {
        "columns": id_tags.COLUMNS,
        "largest_mib": LARGEST_FILE // _MIB,
        "report": report,
        "faults": refused.faults if refused else (),
        "faults_total": refused.total if refused else 0,
        "missing": missing,
        "kept": base64.b64encode(content).decode() if len(content) <= _KEPT_BYTES else "",
    }
    return show("id_tag_import", values, status=status)
