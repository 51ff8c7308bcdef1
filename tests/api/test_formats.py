"""The Accept header and the parameter `format`: which form an answer gets."""

from __future__ import annotations

import pytest

from tests.api.conftest import Client

PATH = "/api/v1/charge-points"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),  # a browser
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv; header=present", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/csv, application/json", "application/json"),  # no preference: JSON
        ("application/jsonl", "application/jsonl"),
        ("application/x-ndjson", "application/jsonl"),
        ("application/jsonl, */*;q=0.1", "application/jsonl"),
    ],
)
def test_accept(sqlite_client: Client, accept: str, media_type: str) -> None:
    answer = sqlite_client.get(PATH, headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.mimetype) == (200, media_type)


@pytest.mark.parametrize("accept", ["text/html", "image/*", "text/csv;q=0", "application/xml, a/b"])
def test_nothing_that_is_accepted(sqlite_client: Client, accept: str) -> None:
    assert sqlite_client.get(PATH, headers={"Accept": accept}).status_code == 406


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("json", "application/json"), ("csv", "text/csv"), ("jsonl", "application/jsonl")],
)
def test_the_parameter_goes_before_the_header(
    sqlite_client: Client, format: str, media_type: str
) -> None:
    answer = sqlite_client.get(f"{PATH}?format={format}", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.mimetype) == (200, media_type)
