"""`/id-tag?id_tag=...`: one id tag, to be changed, blocked or deleted.

It stands in the query, as it may have any character, slashes among them.
"""

from __future__ import annotations

from functools import partial

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs import inventory
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.id_tags import STATUSES, IdTagProperties, version_of
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.id_tag_forms import Form, form_of, read_form
from ocpp_cs.console.page import show
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx

_SESSIONS = 8  # shown


@console.get("/id-tag")
def show_id_tag() -> Response:
    row = _find()
    return _page(row, form_of(row))


@console.post("/id-tag")
def change_id_tag() -> AnyResponse:
    """Gives it what the form says, unless somebody else has changed it meanwhile."""
    row, form = _find(), read_form(IdTagProperties())
    if form.wrong:
        return _page(row, form, status=422)
    wish = {**form.values}
    wish.pop("id_tag", None)
    version = request.form.get("version", "")
    actor, now = current_actor(), request_time()

    def work(tx: Tx) -> None:
        found = inventory.find_id_tag(tx, row.id_tag)
        if found is None or version_of(found) != version:
            raise Refused(409, "changed_meanwhile", "It was changed since the form was shown.")
        inventory.put_id_tag(tx, found.id_tag, **wish, actor=actor, now=now)

    try:
        write(work)
    except Refused:
        return _page(row, form, changed=True, status=409)
    return _back(row)


@console.post("/id-tag/status")
def set_id_tag_status() -> AnyResponse:
    """Blocks it, or lets it charge again."""
    row, status = _find(), request.form.get("status", "")
    if status not in STATUSES:
        raise NotFound
    actor, now = current_actor(), request_time()
    write(lambda tx: inventory.set_id_tag_status(tx, row.id_tag, status, actor=actor, now=now))
    return _back(row)


@console.post("/id-tag/delete")
def delete_id_tag() -> AnyResponse:
    row = _find()
    if request.form.get("sure") != "yes":
        return _page(row, form_of(row), unsure=True, status=422)
    actor, now = current_actor(), request_time()
    write(lambda tx: inventory.delete_id_tag(tx, row.id_tag, actor=actor, now=now))
    return redirect(url_for("console.show_id_tags"), 303)


def _find() -> queries.IdTagRow:
    """Raises NotFound."""
    id_tag = request.args.get("id_tag", "")
    row = None
    if "\x00" not in id_tag:
        row = current_engine().read(lambda: queries.id_tag(id_tag))
    if row is None:
        raise NotFound
    return row


def _back(row: queries.IdTagRow) -> AnyResponse:
    return redirect(url_for("console.show_id_tag", id_tag=row.id_tag), 303)


def _page(
    row: queries.IdTagRow,
    form: Form,
    *,
    changed: bool = False,
    unsure: bool = False,
    status: int = 200,
) -> Response:
    values = {
        "row": row,
        "typed": form.typed,
        "wrong": form.wrong,
        "changed": changed,
        "unsure": unsure,
        "version": version_of(row),
        "statuses": STATUSES,
    }
    used = queries.TransactionFilter(id_tag=row.id_tag)
    read = partial(queries.transactions, used, None, _SESSIONS, now=request_time())
    parts = {"sessions": lambda: {"sessions": current_engine().read(read)}}
    return show("id_tag", values, parts, status=status)
