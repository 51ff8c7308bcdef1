"""`/id-tags`: its fields, its filters, and that a tag is found whatever its case."""

from __future__ import annotations

from tests.api.conftest import Client
from tests.api.rows import START, Rows


def tags(client: Client, **query: str) -> list[str]:
    answer = client.get("/api/v1/id-tags", query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["id_tag"] for item in answer.json["items"]]


def test_fields(client: Client, rows: Rows) -> None:
    rows.id_tag(
        "0FC673",
        parent_id_tag="fleet-north",
        expires_at=START,
        max_active_transactions=None,
        note="spare",
    )
    expected = {
        "id_tag": "0FC673",
        "parent_id_tag": "fleet-north",
        "status": "accepted",
        "expires_at": "2021-11-10T14:00:00.000Z",
        "max_active_transactions": None,
        "note": "spare",
    }
    one = client.get("/api/v1/id-tags/0fc673")
    assert one.json == expected
    assert list(one.json) == list(expected)
    assert client.get("/api/v1/id-tags").json == {"items": [expected], "next_cursor": None}


def test_found_whatever_its_case(client: Client, rows: Rows) -> None:
    rows.id_tag("Straße-7")
    for text in ("Straße-7", "straße-7", "STRASSE-7"):
        assert client.get(f"/api/v1/id-tags/{text}").json["id_tag"] == "Straße-7"


def test_with_a_slash(client: Client, rows: Rows) -> None:
    rows.id_tag("a/b")
    assert client.get("/api/v1/id-tags/a%2Fb").json["id_tag"] == "a/b"


def test_no_such_tag(client: Client) -> None:
    answer = client.get("/api/v1/id-tags/nobody")
    assert (answer.status_code, answer.json["detail"]) == (404, "There is no id tag 'nobody'.")


def test_filters(client: Client, rows: Rows) -> None:
    rows.id_tag("b1", parent_id_tag="Fleet")
    rows.id_tag("A1", status="blocked", note="lost, 50% off")
    rows.id_tag("c2", parent_id_tag="other")
    assert tags(client) == ["A1", "b1", "c2"]  # case does not matter
    assert tags(client, status="blocked") == ["A1"]
    assert tags(client, status="accepted") == ["b1", "c2"]
    assert tags(client, q="FLEET") == ["b1"]
    assert tags(client, q="1") == ["A1", "b1"]
    assert tags(client, q="50%") == ["A1"]
    assert tags(client, q="a1", status="accepted") == []
