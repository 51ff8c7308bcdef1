"""`/id-tags`: its fields and filters, how it changes, and that case does not matter."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Client, key_of, on_sqlite, with_key
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


# --- Changing -------------------------------------------------------------------------------------

BASE = "/api/v1/id-tags"
DEFAULTS: dict[str, Any] = {
    "parent_id_tag": None,
    "status": "accepted",
    "expires_at": None,
    "max_active_transactions": 1,
    "note": None,
}
FULL: dict[str, Any] = {
    "parent_id_tag": "fleet-north",
    "status": "blocked",
    "expires_at": "2030-01-01T00:00:00.000Z",
    "max_active_transactions": None,
    "note": "spare",
}


def trail(client: Client) -> list[tuple[str, str]]:
    items = client.get("/api/v1/audit-events").json["items"][::-1]
    return [
        (item["action"], item["target"]) for item in items if item["action"] != "api_key.create"
    ]


def test_registered_once_in_any_case(client: Client) -> None:
    answer = client.post(BASE, json={"id_tag": "Straße/7"})
    assert answer.status_code == 201, answer.text
    assert answer.json == {"id_tag": "Straße/7", **DEFAULTS}
    assert answer.headers["Location"] == f"{BASE}/Stra%C3%9Fe%2F7"
    found = client.get(answer.headers["Location"])
    assert (found.json, found.headers["ETag"]) == (answer.json, answer.headers["ETag"])
    again = client.post(BASE, json={"id_tag": "STRASSE/7", "status": "blocked"})
    assert (again.status_code, again.json["code"]) == (409, "id_tag_exists")
    assert client.get(BASE).json["items"] == [answer.json]
    assert trail(client) == [("id_tag.put", "id-tags/Straße/7")]


def test_put_creates_and_replaces(client: Client) -> None:
    made = client.put(f"{BASE}/0FC673", json=FULL)
    assert (made.status_code, made.json) == (201, {"id_tag": "0FC673", **FULL})
    assert made.headers["Location"] == f"{BASE}/0FC673"
    replaced = client.put(f"{BASE}/0fc673", json={"note": "found"})
    # It stays spelled as it was, and what is left out has its default again.
    assert (replaced.status_code, replaced.json) == (
        200,
        {"id_tag": "0FC673", **DEFAULTS, "note": "found"},
    )
    assert replaced.headers["ETag"] != made.headers["ETag"]
    spelled = client.put(f"{BASE}/0FC673", json={**replaced.json, "id_tag": "0fc673"})
    assert (spelled.status_code, spelled.json["id_tag"]) == (200, "0fc673")
    other = client.put(f"{BASE}/0FC673", json={"id_tag": "OTHER"})
    assert (other.status_code, list(other.json["errors"])) == (422, ["id_tag"])


def test_delete(client: Client) -> None:
    client.post(BASE, json={"id_tag": "Tag"})
    assert client.delete(f"{BASE}/TAG").status_code == 204
    assert client.get(f"{BASE}/Tag").status_code == 404
    again = client.delete(f"{BASE}/TAG")
    assert (again.status_code, again.json["code"]) == (404, "unknown_id_tag")
    assert trail(client) == [("id_tag.put", "id-tags/Tag"), ("id_tag.delete", "id-tags/TAG")]


def test_who_read_an_older_version_changes_nothing(client: Client) -> None:
    older = client.post(BASE, json={"id_tag": "tag"}).headers["ETag"]
    path = f"{BASE}/TAG"

    def put(etag: str, note: str = "new") -> Any:
        return client.put(path, json={"note": note}, headers={"If-Match": etag})

    newer = put(older).headers["ETag"]
    refused = put(older, "newest")
    assert (refused.status_code, refused.json["code"]) == (412, "changed_meanwhile")
    assert client.get(path).json["note"] == "new"
    assert put(f'"x", {newer}').status_code == 200
    assert put("*").status_code == 200
    assert client.delete(path, headers={"If-Match": older}).status_code == 412
    assert client.delete(path, headers={"If-Match": newer}).status_code == 204
    assert put("*").status_code == 412
    assert put(newer).status_code == 412
    assert client.get(path).status_code == 404


@on_sqlite
@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "id_tag"),
        ({"id_tag": ""}, "id_tag"),
        ({"id_tag": "x" * 21}, "id_tag"),
        ({"id_tag": " x"}, "id_tag"),
        ({"id_tag": "x\ny"}, "id_tag"),
        ({"id_tag": "x\n"}, "id_tag"),
        ({"id_tag": "x", "parent_id_tag": " "}, "parent_id_tag"),
        ({"id_tag": "x", "status": "lost"}, "status"),
        ({"id_tag": "x", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"id_tag": "x", "max_active_transactions": 0}, "max_active_transactions"),
        ({"id_tag": "x", "max_active_transactions": "1"}, "max_active_transactions"),
        ({"id_tag": "x", "colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named(client: Client, wish: dict[str, Any], field: str) -> None:
    answer = client.post(BASE, json=wish)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text
    assert client.get(BASE).json["items"] == []


@on_sqlite
def test_an_analyst_changes_nothing(client: Client) -> None:
    analyst = with_key(client, key_of(client, "analyst"))
    assert analyst.post(BASE, json={"id_tag": "x"}).status_code == 403
    assert analyst.put(f"{BASE}/x", json={}).status_code == 403
    assert analyst.delete(f"{BASE}/x").status_code == 403
    assert analyst.post(f"{BASE}/import", data="id_tag\nx\n").status_code == 403


@on_sqlite
def test_tags_that_are_named_like_what_stands_beside_them(client: Client) -> None:
    for id_tag in ("import", "x/pseudonymise"):
        assert client.put(f"{BASE}/{id_tag}", json={}).status_code == 201
        assert client.get(f"{BASE}/{id_tag}").json["id_tag"] == id_tag
        assert client.delete(f"{BASE}/{id_tag}").status_code == 204
