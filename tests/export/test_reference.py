"""docs/analysts.md holds exactly the columns that the schemas have."""

from __future__ import annotations

from ocpp_cs.export.reference import BEGIN, DOCUMENT, END, dictionary, refreshed
from ocpp_cs.export.resources import RESOURCES
from tests.docs.documents import code, table
from tests.servers import PROJECT


def test_the_document_holds_the_dictionary() -> None:
    document = (PROJECT / DOCUMENT).read_text(encoding="utf-8")
    assert refreshed(document) == document, f"run `make format` to refresh {DOCUMENT}"


def test_every_column_of_every_resource_is_in_it() -> None:
    for name, resource in RESOURCES.items():
        rows = table(PROJECT / DOCUMENT, name)
        assert [code(row[0])[0] for row in rows] == list(resource.columns.names)


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert refreshed(document) == f"before\n{BEGIN}\n{dictionary()}{END}\nafter\n"
