"""`/asyncapi.json` has every message of OCPP 1.6, and its schemas take what the types take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from ocpp_cs import events
from ocpp_cs.ocpp16.messages import ACTIONS, FROM_CENTRAL_SYSTEM, FROM_CHARGE_POINT
from tests.api.conftest import Client


@pytest.fixture
def document(sqlite_client: Client) -> Any:
    return sqlite_client.get("/asyncapi.json").json


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def resolved(document: Any, reference: str) -> Any:
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def test_every_action_is_there_in_its_direction(document: Any) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert set(document["operations"]) == {
        *(f"receive{name}" for name in FROM_CHARGE_POINT),
        *(f"send{name}" for name in FROM_CENTRAL_SYSTEM),
        "sendEvents",
    }
    for name, operation in document["operations"].items():
        assert name.startswith(operation["action"])
    assert len(document["components"]["messages"]) == 2 * len(ACTIONS) + 1 + len(events.TYPES)


def test_it_says_where_the_socket_is(sqlite_client: Client) -> None:
    for scheme, protocol in (("http", "ws"), ("https", "wss")):
        answer = sqlite_client.get("/asyncapi.json", base_url=f"{scheme}://example.org")
        server = answer.json["servers"]["centralSystem"]
        assert (server["host"], server["protocol"]) == ("example.org", protocol)


def test_every_reference_leads_somewhere(document: Any) -> None:
    found = set(references(document))
    assert len(found) > 100
    for reference in found:
        assert isinstance(resolved(document, reference), dict), reference


def validator(document: Any, message: str) -> Draft7Validator:
    payload = document["components"]["messages"][message]["payload"]
    return Draft7Validator({**payload, "components": document["components"]})


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        ("HeartbeatRequest", [2, "1", "Heartbeat", {}]),
        (
            "StartTransactionRequest",
            [
                2,
                "1",
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": "0fc673",
                    "meterStart": 10000,
                    "timestamp": "2021-11-10T14:00:00Z",
                },
            ],
        ),
        ("ResetResponse", [3, "1", {"status": "Accepted"}]),
        ("CallError", [4, "1", "NotSupported", "", {}]),
    ],
)
def test_what_is_right_is_taken_and_what_is_wrong_is_not(
    document: Any, message: str, frame: list[Any]
) -> None:
    check = validator(document, message)
    assert [error.message for error in check.iter_errors(frame)] == []
    for wrong in ([9, *frame[1:]], frame[:-1], [*frame, {}], [*frame[:-1], 5]):
        assert not check.is_valid(wrong), wrong


@pytest.mark.parametrize("kind", events.TYPES.values(), ids=events.TYPES)
def test_every_event_is_there(document: Any, kind: type[events.Event]) -> None:
    check = validator(document, kind.__name__)
    event = {
        "id": 17,
        "type": kind.type,
        "at": "2026-11-22T10:15:00.000Z",
        "charge_point_id": None,
        "data": events.example(kind),
    }
    assert [error.message for error in check.iter_errors(event)] == []
    assert not check.is_valid({**event, "type": "other"})
    assert not check.is_valid({**event, "data": {}})


def test_every_schema_is_one(document: Any) -> None:
    for name in document["components"]["messages"]:
        Draft7Validator.check_schema(validator(document, name).schema)
