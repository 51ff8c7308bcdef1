"""Errors: whatever goes wrong, the answer is a problem that names what was wrong, and no more."""

from __future__ import annotations

import logging
import socket
from typing import Any, cast

import pytest
from flask import Flask, abort
from marshmallow import ValidationError, fields

from ocpp_cs.api.blueprint import LARGEST_BODY, Body
from ocpp_cs.api.fields import Number, Truth, Whole, number_range
from ocpp_cs.api.problems import fields_problem
from ocpp_cs.db.engine import Engine
from tests.api.conftest import Client, client_of, committer_of

BASE = "/api/v1"


def problem_of(answer: Any, status: int) -> Any:
    """The body, once everything is checked that holds for all problems."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["status"] == status
    assert answer.json["type"] == "about:blank"
    assert answer.json["title"]
    assert answer.json["detail"]
    return answer.json


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/transactions?conector_id=1", "conector_id"),
        ("/transactions?limit=0", "limit"),
        ("/transactions?limit=1001", "limit"),
        ("/transactions?limit=1e2", "limit"),
        ("/transactions?limit=1_0", "limit"),
        ("/transactions?limit=%D9%A1", "limit"),  # a digit, but not one of ours
        ("/transactions?limit=" + "9" * 3000, "limit"),
        ("/transactions?limit=", "limit"),
        ("/transactions?limit=1&limit=2", "limit"),
        ("/transactions?connector_id=2147483648", "connector_id"),
        ("/transactions?connector_id=-1", "connector_id"),
        ("/transactions?min_energy_wh=9223372036854775808", "min_energy_wh"),
        ("/transactions?min_energy_wh=-9223372036854775809", "min_energy_wh"),
        ("/transactions?from=2021-11-10", "from"),
        ("/transactions?from=2021-11-10T14:00:00", "from"),  # naive
        ("/transactions?to=yesterday", "to"),
        ("/transactions?to=0001-01-01T00:00:00%2B14:00", "to"),
        ("/transactions?to=9999-12-31T23:59:59.9999Z", "to"),
        ("/transactions?status=open", "status"),
        ("/transactions?flag=1", "flag"),
        ("/transactions?sort=id", "sort"),
        ("/transactions?format=xml", "format"),
        ("/transactions?id_tag=", "id_tag"),
        ("/transactions?id_tag=a%00b", "id_tag"),
        ("/transactions?parent_id_tag=" + "x" * 256, "parent_id_tag"),
        ("/transactions?since=2021-11-10T14:00:00Z", "since"),  # the parameter's name is from
        ("/transactions?cursor=x", "cursor"),
        ("/transactions?cursor=", "cursor"),
        ("/transactions?cursor=bnVsbA", "cursor"),
        ("/transactions/x", "transaction_id"),
        ("/transactions/-1", "transaction_id"),
        ("/transactions/1.0", "transaction_id"),
        ("/transactions/9223372036854775808", "transaction_id"),
        ("/transactions/" + "9" * 3000, "transaction_id"),
        ("/transactions/x/meter-values", "transaction_id"),
        ("/transactions/1?x=1", "x"),
        ("/transactions/1/meter-values?q=1", "q"),
        ("/transactions/1/meter-values?phase=%00", "phase"),
        ("/charge-points?online=maybe", "online"),
        ("/charge-points?online=", "online"),
        ("/charge-points?q=%00", "q"),
        ("/charge-points?registration=Accepted", "registration"),
        ("/charge-points/%00", "charge_point_id"),
        ("/charge-points/" + "x" * 256, "charge_point_id"),
        ("/charge-points/x?%3Cb%3E=1", "<b>"),
        ("/id-tags?status=expired", "status"),
        ("/id-tags/%00", "id_tag"),
    ],
)
def test_what_is_unknown_or_malformed_is_named(sqlite_client: Client, path: str, name: str) -> None:
    answer = problem_of(sqlite_client.get(BASE + path), 422)
    assert list(answer["errors"]) == [name]
    assert answer["detail"].startswith(f"{name}: ")


def test_all_that_is_wrong_is_told_at_once(sqlite_client: Client) -> None:
    answer = sqlite_client.get(f"{BASE}/transactions?limit=x&from=now&colour=red")
    errors = problem_of(answer, 422)["errors"]
    assert set(errors) == {"limit", "from", "colour"}
    assert "known are: charge_point_id, connector_id, " in errors["colour"][0]
    assert ", to." in errors["colour"][0]


def test_errors_within_errors_have_a_path(sqlite_client: Client) -> None:
    nested = {"profile": {"periods": {0: {"limit": ["Too low."]}}}, "x": ["No."]}
    with sqlite_client.application.test_request_context():
        answer: Any = fields_problem(nested)
    assert answer.json["errors"] == {"profile.periods.0.limit": ["Too low."], "x": ["No."]}


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1", "/api/v1/nowhere", "/api/v2/id-tags"])
def test_no_such_path(sqlite_client: Client, path: str) -> None:
    problem_of(sqlite_client.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_method_not_allowed(sqlite_client: Client, method: str) -> None:
    answer = sqlite_client.open(f"{BASE}/transactions", method=method)
    problem_of(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("path", ["/charge-points", "/transactions", "/id-tags"])
def test_not_acceptable(sqlite_client: Client, path: str) -> None:
    answer = sqlite_client.get(BASE + path, headers={"Accept": "image/png"})
    assert "application/json, text/csv" in problem_of(answer, 406)["detail"]
    one = sqlite_client.get(f"{BASE}{path}/1", headers={"Accept": "text/csv"})
    assert problem_of(one, 406)["detail"] == "This resource comes as application/json."


def test_a_failure_has_a_reference_that_stands_in_the_log(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No tables: every query fails."""
    client = client_of(Engine(sqlite_url))
    for path in ("/charge-points", "/transactions?format=csv", "/transactions/1", "/id-tags/x"):
        caplog.clear()
        body = problem_of(client.get(BASE + path), 500)
        assert body["reference"] in body["detail"]
        assert set(body) == {"type", "title", "status", "detail", "reference"}
        assert "table" not in str(body)
        [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert body["reference"] in record.getMessage()
        assert record.exc_info is not None


def test_a_failure_of_any_view_is_a_problem(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = client_of(Engine(sqlite_url)).application

    @app.get("/broken/<path:name>")
    def broken(name: str) -> str:
        raise RuntimeError(f"the secret of {name}")

    @app.get("/teapot")
    def teapot() -> str:
        abort(418)

    client = app.test_client()
    answer = client.get("/broken/a%1B%5B31mb")
    assert "secret" not in answer.text
    body = problem_of(answer, 500)
    [record] = [record for record in caplog.records if body["reference"] in record.getMessage()]
    assert "\x1b" not in record.getMessage()  # nothing that a terminal would obey
    problem_of(client.get("/teapot"), 418)


def test_no_database_is_503() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"postgresql://ocpp_cs@127.0.0.1:{taken.getsockname()[1]}/ocpp_cs"
        answer = client_of(Engine(url)).get(f"{BASE}/charge-points")
    body = problem_of(answer, 503)
    assert body["reference"] in body["detail"]
    assert answer.headers["Retry-After"] == "5"
    assert "127.0.0.1" not in answer.text


def test_a_store_that_takes_nothing_is_503(sqlite_client: Client) -> None:
    committer_of(sqlite_client).close()  # as at the end of a process, or with a disk that is full
    answer = sqlite_client.post(f"{BASE}/api-keys", json={"name": "x", "role": "analyst"})
    body = problem_of(answer, 503)
    assert body["reference"] in body["detail"]
    assert answer.headers["Retry-After"] == "5"


# --- Bodies -------------------------------------------------------------------------------------


def post(client: Client, body: bytes | str, content_type: str | None = "application/json") -> Any:
    return client.post(f"{BASE}/api-keys", data=body, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'name': 1}",
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b"NaN",
    ],
)
def test_a_body_that_is_no_json(sqlite_client: Client, body: bytes) -> None:
    assert "cannot be read as JSON" in problem_of(post(sqlite_client, body), 400)["detail"]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"name"'])
def test_a_body_that_is_no_object(sqlite_client: Client, body: str) -> None:
    told = problem_of(post(sqlite_client, body), 422)["detail"]
    assert told == "The body must be a JSON object."


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonl"]
)
def test_a_body_of_another_type(sqlite_client: Client, content_type: str | None) -> None:
    problem_of(post(sqlite_client, '{"name": "x", "role": "analyst"}', content_type), 415)


def test_a_body_says_its_character_set(sqlite_client: Client) -> None:
    body = '{"name": "x", "role": "analyst"}'
    assert post(sqlite_client, body, "application/json; charset=utf-8").status_code == 201


def test_a_body_that_is_too_large(sqlite_client: Client) -> None:
    problem_of(post(sqlite_client, b" " * (LARGEST_BODY + 1)), 413)
    problem_of(post(sqlite_client, b" " * LARGEST_BODY), 400)


class Wheel(Body):
    spokes = Whole("How many.", 36)


class Bicycle(Body):
    gears = Whole("How many.", 21, validate=number_range(1, 30))
    electric = Truth("Whether it is.", False)
    weight_kg = Number("How heavy.", 12.5)
    wheel = fields.Nested(Wheel)


GOOD = {"gears": 3, "electric": True, "weight_kg": 15, "wheel": {"spokes": 36}}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"gears": "3"}, "gears"),
        ({"gears": True}, "gears"),
        ({"gears": 3.5}, "gears"),
        ({"gears": 31}, "gears"),
        ({"gears": None}, "gears"),
        ({"electric": "true"}, "electric"),
        ({"electric": 1}, "electric"),
        ({"weight_kg": "15"}, "weight_kg"),
        ({"weight_kg": False}, "weight_kg"),
        ({"wheel": {"spokes": "36"}}, "wheel.spokes"),
        ({"wheel": {"spokes": 36, "colour": "red"}}, "wheel.colour"),
        ({"wheel": 36}, "wheel._schema"),
        ({"bell": True}, "bell"),
    ],
)
def test_a_body_is_read_by_json_s_types(change: dict[str, Any], name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Bicycle().load({**GOOD, **change})
    with Flask(__name__).test_request_context():
        answer: Any = fields_problem(cast(dict[str, Any], refused.value.messages))
    assert list(answer.json["errors"]) == [name]


def test_a_good_body_is_loaded() -> None:
    assert Bicycle().load(GOOD) == {**GOOD, "weight_kg": 15.0}
    assert Bicycle().load({**GOOD, "gears": 3.0})["gears"] == 3  # the same to JSON Schema


def test_an_unknown_field_is_told_the_known_ones() -> None:
    errors = Bicycle().validate({**GOOD, "bell": True})
    known = "Unknown field; known are: electric, gears, weight_kg, wheel."
    assert errors == {"bell": [known]}
