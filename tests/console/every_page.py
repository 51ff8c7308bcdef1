"""Every page of the console, found in its URL map, at an address where there is something to see.

For what is done with all pages: accessibility, screenshots. A page that is added is found by
itself; parameters of its path need a value here, which `showcase` has to provide.
"""

from __future__ import annotations

from typing import NamedTuple

from flask import Flask

from ocpp_cs.console.blueprint import console
from tests.console.showcase import CARD, CHARGING, EXPECTED

VALUES = {"charge_point_id": CHARGING, "transaction_id": 1, "action": "SetChargingProfile"}
"""Values of path parameters."""

VALUES_OF = {"arrival": {"charge_point_id": EXPECTED}, "id_tag": {"id_tag": CARD}}
"""Those of one page, in their place, and what it takes as a query."""

FOR_NOBODY = {"sign_in"}
"""Pages that only those see who have not signed in."""

NOT_PAGES = {"console.asset", "console.download_transactions"}
"""Views of the console that are no pages."""


class Page(NamedTuple):
    """`name` is that of its view, without the `show_`."""

    name: str
    path: str


def every_page() -> list[Page]:
    """Raises KeyError for a parameter that has no value."""
    app = Flask(__name__)
    app.register_blueprint(console)
    found = []
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        is_page = "GET" in (rule.methods or ()) and rule.endpoint not in NOT_PAGES
        if is_page and rule.endpoint.startswith(f"{console.name}."):
            name = rule.endpoint.removeprefix(f"{console.name}.").removeprefix("show_")
            own = VALUES_OF.get(name, {})
            values = {each: own.get(each) or VALUES[each] for each in rule.arguments} | own
            found.append(Page(name, adapter.build(rule.endpoint, values)))
    return sorted(found)
