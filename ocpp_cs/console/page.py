"""Renders pages and their fragments: a folder of `templates` each, texts of the viewer's language.

A page is `page.html` of its folder. Its fragments, which are fetched again and again, are files
beside it that begin with an underscore and are included in it. Templates are rendered beside the
event loop, with values only: no template reads the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from pathlib import Path
from typing import Any

from flask import Response, request, url_for
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from werkzeug.exceptions import NotFound

from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.console import session
from ocpp_cs.console.assets import asset_url
from ocpp_cs.console.charts import bars, shares
from ocpp_cs.console.formats import Formats
from ocpp_cs.console.json_text import pretty
from ocpp_cs.console.options import current_options
from ocpp_cs.console.texts import LANGUAGES, current_language

TEMPLATES = Path(__file__).parent / "templates"
FRAGMENT = "fragment"
"""The parameter of a page's URL that asks for one of its fragments alone."""

NAVIGATION = (
    ("overview", "console.show_overview"),
    ("charge_points", "console.show_charge_points"),
    ("transactions", "console.show_transactions"),
    ("id_tags", "console.show_id_tags"),
)
"""Name and view of the pages that every page leads to; a template says its own as `section`."""

Values = Mapping[str, Any]
Part = Callable[[], Values]
_NO_PARTS: Mapping[str, Part] = {}

environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def show(
    page: str,
    values: Values | None = None,
    parts: Mapping[str, Part] = _NO_PARTS,
    *,
    shared: str = "",
    status: int = 200,
) -> Response:
    """A page as the answer to this request, or one of its fragments if that is asked for.

    `values` are for all of it. Each of the `parts` makes what the fragment of its name needs
    besides, `_{name}.html` in the folder of the page, or else in that of fragments which it has
    in common with others, `shared`; it is called only when that is shown.
    """
    wanted = request.args.get(FRAGMENT)
    if wanted is not None and wanted not in parts:
        raise NotFound
    made: dict[str, Any] = dict(values or {})
    for name, part in parts.items():
        if wanted in (None, name):
            made.update(part())
    file = "page.html" if wanted is None else f"_{wanted}.html"
    folders = [page, shared] if shared else [page]
    template = environment.select_template([f"{folder}/{file}" for folder in folders])
    given = {**_shared(), **made}
    # With this request's context, which a thread of its own would not have.
    context = copy_context()
    text = current_engine().beside(lambda: context.run(template.render, given))
    return Response(text, status, mimetype="text/html")


def fragment_url(name: str) -> str:
    """The URL of a fragment of the page that is asked for, with its filters."""
    return this_url({**request.args.to_dict(flat=False), FRAGMENT: [name]})


def this_url(arguments: Mapping[str, list[str]]) -> str:
    """The URL that is asked for, with other parameters."""
    values: dict[str, Any] = {**(request.view_args or {}), **arguments}
    return url_for(request.endpoint or "", **values)


def _shared() -> dict[str, Any]:
    """What every template may use, besides the functions below."""
    language = current_language()
    return {
        "t": language.text,
        "f": Formats(language, current_options().zone, request_time()),
        "language": language,
        "viewer": session.current_caller(),
        "here": request.full_path.rstrip("?") if request.method == "GET" else "/",
        "endpoint": request.endpoint,
        "zone": current_options().zone.key,
    }


environment.globals.update(
    asset_url=asset_url,
    bars=bars,
    form_field=session.FORM_FIELD,
    form_token=session.form_token,
    fragment_url=fragment_url,
    languages=LANGUAGES,
    may=session.may,
    navigation=NAVIGATION,
    pretty=pretty,
    shares=shares,
    url_for=url_for,
)
