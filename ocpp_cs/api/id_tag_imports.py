"""`/id-tags/import`: id tags from a CSV file, all of them or none.

What a file may hold, and what becomes of it, stands in `ocpp_cs.imports`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import abort, request
from flask.views import MethodView

from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import Blueprint, Parameters, request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.fields import Row, Truth, Whole
from ocpp_cs.api.formats import CSV
from ocpp_cs.api.problems import problem, refuse
from ocpp_cs.db.offload import offload
from ocpp_cs.imports import ImportRefused, Report, id_tags

LARGEST_FILE = 10 * 1024 * 1024
"""Bytes of a file."""

blueprint = Blueprint("id-tag-imports", "Imports of id tags: a CSV file, all of it or nothing.")

_EXAMPLE = """\
id_tag,parent_id_tag,status,expires_at,max_active_transactions,note
0fc673,fleet-north,accepted,2030-01-01T00:00:00.000Z,1,replacement card
"""
_BODY = {
    "required": True,
    "description": "The columns of the CSV that `/id-tags` gives, in any order; only `id_tag` is "
    "needed. UTF-8, comma or semicolon, at most 200,000 lines and 10 MiB.",
    "content": {CSV.media_type: {"schema": {"type": "string"}, "example": _EXAMPLE}},
}


class ImportReport(Row):
    """What an import came to."""

    dry_run = Truth("Whether nothing was written.", False)
    lines = Whole("Lines of the file, without its header.", 3, unit="lines")
    added = Whole("Id tags that are new.", 1, unit="id tags")
    changed = Whole("Id tags that were there, and have changed.", 1, unit="id tags")
    unchanged = Whole("Id tags that were so already.", 1, unit="id tags")


class ImportParameters(Parameters):
    dry_run = Truth("Only say what the file would do.", True, required=False, load_default=False)


@blueprint.route("/id-tags/import")
class ImportedIdTags(MethodView):
    @blueprint.item(
        ImportReport, "import_id_tags", refusals=(400, 413, 415), parameters=ImportParameters
    )
    @blueprint.doc(requestBody=_BODY)
    def post(self, dry_run: bool) -> Report:
        """Import id tags from CSV.

        All lines or none: where one cannot be taken, the answer is 422, `faults` says what is
        wrong in which line, and nothing has changed. A tag that is there is changed, a new one
        added, none is removed. A column that the file lacks stays as it is. An export that is
        imported again changes nothing.
        """
        actor, now = current_actor(), request_time()
        content = _content()
        try:
            file = offload(partial(id_tags.read, content))
        except ImportRefused as refused:
            _refuse(refused)
        plan = id_tags.plan(current_engine(), file, dry_run=dry_run)
        if plan.rows and not dry_run:
            write(lambda tx: id_tags.carry_out(tx, plan, actor=actor, now=now))
        return plan.report


def _content() -> bytes:
    """The file; ends the request with 413 or 415 if it is none that is read."""
    request.max_content_length = LARGEST_FILE
    if request.mimetype != CSV.media_type:
        refuse(415, f"The body must be {CSV.media_type}, and the header Content-Type say so.")
    charset = request.mimetype_params.get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        refuse(415, "The file must be in UTF-8.")
    return request.get_data()


def _refuse(refused: ImportRefused) -> Any:
    first, more = refused.faults, refused.total - len(refused.faults)
    detail = f"{refused} ({more} more are not listed.)" if more else str(refused)
    faults: list[dict[str, Any]] = [fault._asdict() for fault in first]
    abort(problem(422, detail, faults=faults, faults_total=refused.total))
