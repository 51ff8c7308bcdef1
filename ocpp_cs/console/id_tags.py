"""`/id-tags`: all of them, to be searched; new ones are added here."""

from __future__ import annotations

from functools import partial

from flask import Response, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs import inventory
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import write
from ocpp_cs.api.id_tags import STATUSES, NewIdTag
from ocpp_cs.console.blueprint import console, needs
from ocpp_cs.console.id_tag_forms import Form, read_form
from ocpp_cs.console.page import Values, show
from ocpp_cs.console.paging import read_page, wanted_choice, wanted_word
from ocpp_cs.db import queries


@console.get("/id-tags")
def show_id_tags() -> Response:
    filters = {"q": wanted_word("q"), "status": wanted_choice("status", STATUSES)}
    return show("id_tags", {"filters": filters, "statuses": STATUSES}, {"rows": _rows})


@console.get("/id-tags/add")
@needs("operator")
def show_new_id_tag() -> Response:
    return _form(Form())


@console.post("/id-tags/add")
def add_id_tag() -> AnyResponse:
    form = read_form(NewIdTag())
    if form.wrong:
        return _form(form, status=422)
    wish = {**form.values}
    id_tag = wish.pop("id_tag")
    actor, now = current_actor(), request_time()
    is_new = write(
        lambda tx: inventory.put_id_tag(tx, id_tag, **wish, only_new=True, actor=actor, now=now)
    )
    if not is_new:
        return _form(form, exists=True, status=409)
    return redirect(url_for("console.show_id_tag", id_tag=id_tag), 303)


def _form(form: Form, *, exists: bool = False, status: int = 200) -> Response:
    values = {"typed": form.typed, "wrong": form.wrong, "exists": exists, "statuses": STATUSES}
    return show("id_tag_new", values, status=status)


def _rows() -> Values:
    wanted = queries.IdTagFilter(q=wanted_word("q"), status=wanted_choice("status", STATUSES))
    page = read_page("id-tags", (str,), partial(queries.id_tags, wanted), lambda row: (row.key,))
    return {"page": page}
