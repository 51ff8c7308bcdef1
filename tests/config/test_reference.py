"""The documents hold exactly the table of settings that the code has."""

from __future__ import annotations

import pytest

from config.reference import BEGIN, DOCUMENTS, END, between_markers, refreshed, table
from config.settings import TABLE
from tests.servers import PROJECT


@pytest.mark.parametrize("path", DOCUMENTS)
def test_document_holds_the_table(path: str) -> None:
    document = (PROJECT / path).read_text(encoding="utf-8")
    assert between_markers(document) == table(), f"run `make format` to refresh {path}"


def test_table_has_one_row_per_setting() -> None:
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [setting.variable for setting in TABLE]
    assert all(row.count("|") == rows[0].count("|") for row in rows)


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert refreshed(document) == f"before\n{BEGIN}\n{table()}{END}\nafter\n"
    assert refreshed(refreshed(document)) == refreshed(document)


@pytest.mark.parametrize("document", ["no markers", f"{BEGIN}\nno end", f"no begin\n{END}"])
def test_document_without_both_markers_is_left_alone(document: str) -> None:
    assert refreshed(document) == document
