"""`/api-keys`: made, listed, revoked; shown once, and never without an admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.api_keys import Role
from tests.api.conftest import Client, key_of, with_key
from tests.servers import wait_until

PATH = "/api/v1/api-keys"
HOUR = timedelta(hours=1)


def make(client: Client, **wishes: Any) -> Any:
    answer = client.post(PATH, json={"name": "a key", "role": "analyst", **wishes})
    assert answer.status_code == 201, answer.text
    return answer.json


def listed(client: Client, query: str = "") -> list[Any]:
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def test_a_key_is_made_and_works(client: Client) -> None:
    answer = client.post(
        PATH,
        json={
            "name": "nightly export",
            "role": "analyst",
            "expires_at": "2100-01-01T01:00:00+01:00",
        },
    )
    made = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    text = made.pop("api_key")
    assert text.startswith(f"ocs_{made['id']}_")
    [admin, _] = listed(client)
    created_at = made.pop("created_at")
    assert abs(datetime.fromisoformat(created_at) - datetime.now(UTC)) < HOUR
    assert made == {
        "id": text.split("_")[1],
        "name": "nightly export",
        "role": "analyst",
        "status": "valid",
        "created_by": f"the admin ({admin['id']})",
        "expires_at": "2100-01-01T00:00:00.000Z",
        "last_used_at": None,
        "revoked_at": None,
    }
    assert with_key(client, text).get("/api/v1/id-tags").status_code == 200
    wait_until(lambda: client.get(f"{PATH}/{made['id']}").json["last_used_at"])


def test_a_key_is_shown_only_once(client: Client) -> None:
    made = make(client)
    secret = made["api_key"].split("_")[2]
    for path in (PATH, f"{PATH}/{made['id']}", f"{PATH}?format=csv", f"{PATH}?format=jsonl"):
        answer = client.get(path)
        assert made["id"] in answer.text
        assert secret not in answer.text
        assert "hash" not in answer.text
    one = client.get(f"{PATH}/{made['id']}").json
    assert one == {name: value for name, value in made.items() if name != "api_key"}


def test_two_requests_make_two_keys(client: Client) -> None:
    assert make(client)["id"] != make(client)["id"]
    assert [key["name"] for key in listed(client)] == ["the admin", "a key", "a key"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"role": "admin"}, "name"),
        ({"name": "", "role": "admin"}, "name"),
        ({"name": " x", "role": "admin"}, "name"),
        ({"name": "x\n", "role": "admin"}, "name"),
        ({"name": "x" * 101, "role": "admin"}, "name"),
        ({"name": "a\x00", "role": "admin"}, "name"),
        ({"name": 7, "role": "admin"}, "name"),
        ({"name": "x"}, "role"),
        ({"name": "x", "role": "root"}, "role"),
        ({"name": "x", "role": "Admin"}, "role"),
        ({"name": "x", "role": "admin", "expires_at": "2100-01-01"}, "expires_at"),
        ({"name": "x", "role": "admin", "expires_at": "2100-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "role": "admin", "expires_at": 4102444800}, "expires_at"),
        ({"name": "x", "role": "admin", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "role": "admin", "secret": "mine"}, "secret"),
        ({"name": "x", "role": "admin", "id": "mine"}, "id"),
    ],
)
def test_what_is_wrong_is_named(sqlite_client: Client, body: dict[str, Any], name: str) -> None:
    answer = sqlite_client.post(PATH, json=body)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [name]
    assert len(listed(sqlite_client)) == 1


def test_a_key_is_revoked_at_once_and_stays(client: Client) -> None:
    made = make(client)
    holder = with_key(client, made["api_key"])
    assert holder.get("/api/v1/id-tags").status_code == 200
    for _ in range(2):
        answer = client.delete(f"{PATH}/{made['id']}")
        assert (answer.status_code, answer.data) == (204, b"")
    assert holder.get("/api/v1/id-tags").status_code == 401
    one = client.get(f"{PATH}/{made['id']}").json
    assert one["status"] == "revoked"
    assert one["revoked_at"] is not None


def test_an_unknown_key(client: Client) -> None:
    for method in ("GET", "DELETE"):
        answer = client.open(f"{PATH}/nobody", method=method)
        assert answer.status_code == 404
        assert answer.json["detail"] == "There is no API key 'nobody'."


def test_the_last_admin_stays(client: Client) -> None:
    [admin] = listed(client)
    make(client, role="operator")
    answer = client.delete(f"{PATH}/{admin['id']}")
    assert answer.status_code == 409
    assert answer.json["code"] == "last_admin_key"
    assert "api-key revoke" in answer.json["detail"]
    other = with_key(client, make(client, role="admin")["api_key"])
    assert other.delete(f"{PATH}/{admin['id']}").status_code == 204
    assert client.get(PATH).status_code == 401


def test_filters(client: Client) -> None:
    now = datetime.now(UTC)
    expired = key_of(client, "analyst", now=now - 2 * HOUR, expires_at=now - HOUR).split("_")[1]
    [admin, _] = listed(client)
    later = make(client, expires_at="2100-01-01T00:00:00Z")["id"]
    operator = make(client, role="operator")["id"]
    gone = make(client)["id"]
    client.delete(f"{PATH}/{gone}")

    def ids(query: str) -> list[str]:
        return [key["id"] for key in listed(client, query)]

    assert ids("") == [admin["id"], expired, later, operator, gone]
    assert ids("status=valid") == [admin["id"], later, operator]
    assert ids("status=expired") == [expired]
    assert ids("status=revoked") == [gone]
    assert ids("role=operator") == [operator]
    assert ids("role=analyst&status=valid") == [later]
    statuses = [key["status"] for key in listed(client)]
    assert statuses == ["valid", "expired", "valid", "valid", "revoked"]


def test_pages(client: Client) -> None:
    for number in range(4):
        make(client, name=f"key {number}")
    names, path = [], f"{PATH}?limit=2"
    while path:
        page = client.get(path).json
        names += [key["name"] for key in page["items"]]
        path = page["next_cursor"] and f"{PATH}?limit=2&cursor={page['next_cursor']}"
    assert names == ["the admin", "key 0", "key 1", "key 2", "key 3"]


@pytest.mark.parametrize("role", [None, "analyst", "operator"])
def test_only_for_admins(client_as: Callable[[Role | None], Client], role: Role | None) -> None:
    client = client_as(role)
    status = 401 if role is None else 403
    body = {"name": "x", "role": "admin"}
    assert client.get(PATH).status_code == status
    assert client.post(PATH, json=body).status_code == status
    assert client.get(f"{PATH}/x").status_code == status
    assert client.delete(f"{PATH}/x").status_code == status
    expected = [] if role is None else [f"the {role}"]
    assert [key["name"] for key in listed(client_as("admin"))] == [*expected, "the admin"]
