"""The payloads in the OpenAPI document: the official names, examples that are accepted, and every
demand that is checked, no more and no less."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from ocpp_cs.api import payload_texts, payloads
from ocpp_cs.commands.checks import LOWEST
from ocpp_cs.commands.orders import read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM, Action
from tests.ocpp16.schemas import payload, schema

every_action = pytest.mark.parametrize("action", FROM_CENTRAL_SYSTEM.values(), ids=lambda a: a.name)
PREFIX = "#/components/schemas/ocpp16."


def resolved(part: Any) -> Any:
    """A schema with its references replaced by what they refer to."""
    if isinstance(part, list):
        return [resolved(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return resolved(payloads.schemas()[part["$ref"].removeprefix(PREFIX)])
    return {key: resolved(inner) for key, inner in part.items()}


def documented(action: Action, part: str = "Request") -> Any:
    return resolved(payloads.schemas()[action.name + part])


def validator(action: Action) -> Draft202012Validator:
    components = {f"ocpp16.{name}": part for name, part in payloads.schemas().items()}
    whole = {**payloads.reference(action.request), "components": {"schemas": components}}
    return Draft202012Validator(whole)


def tree(part: Any) -> Any:
    """Names, which are required, enumerations, limits of texts, and which are times.

    That a location is a URI is for the charge point to say, which is to fetch it (A16).
    """
    if part.get("type") == "array":
        return [tree(part["items"])]
    if "properties" in part:
        names = {name: tree(inner) for name, inner in part["properties"].items()}
        return names, sorted(part.get("required", ()))
    enumeration = sorted(part["enum"]) if "enum" in part else None
    is_time = part.get("format") == "date-time"
    return part["type"], enumeration, part.get("maxLength"), is_time


def accepted(action: Action, content: Any) -> bool:
    try:
        read_request(action.name, json.dumps(content).encode())
    except Refused:
        return False
    return True


@every_action
@pytest.mark.parametrize(("part", "official"), [("Request", ""), ("Response", "Response")])
def test_is_as_the_official_schema(action: Action, part: str, official: str) -> None:
    assert tree(documented(action, part)) == tree(schema(action.name + official))


@every_action
def test_the_example_is_accepted(action: Action) -> None:
    body = payloads.request_body(action)["content"]["application/json"]
    Draft4Validator(schema(action.name)).validate(body["example"])
    validator(action).validate(body["example"])
    assert accepted(action, body["example"])


@every_action
def test_the_example_of_an_answer_is_one(action: Action) -> None:
    answer = payloads.example_answer(action)
    Draft4Validator(schema(f"{action.name}Response")).validate(answer)
    action.response_decoder.decode(json.dumps(answer))


@every_action
def test_an_empty_body_is_allowed_where_nothing_is_required(action: Action) -> None:
    assert payloads.request_body(action)["required"] != accepted(action, {})


@every_action
def test_no_property_has_a_default(action: Action) -> None:
    assert '"default"' not in json.dumps([documented(action), documented(action, "Response")])


@every_action
def test_promises_what_is_accepted(action: Action) -> None:
    """Of payloads that satisfy the official schema, we document the ones that we accept."""
    verdicts = set()
    for turn in range(40):
        for optional in (True, False):
            content = payload(schema(action.name), turn, optional=optional)
            promised = validator(action).is_valid(content)
            assert accepted(action, content) == promised, content
            verdicts.add(promised)
    assert True in verdicts or action.name in ("RemoteStartTransaction", "SetChargingProfile")


@pytest.mark.parametrize(
    ("action", "change", "fine"),
    [
        ("SendLocalList", {"listVersion": 0}, False),
        ("SendLocalList", {"listVersion": -1}, False),
        ("SendLocalList", {"listVersion": 1}, True),
        ("RemoteStartTransaction", {"connectorId": 0}, False),
        ("ChangeAvailability", {"connectorId": 0}, True),
        ("ChangeAvailability", {"connectorId": -1}, False),
        ("GetCompositeSchedule", {"duration": -1}, False),
        ("UpdateFirmware", {"retries": -1}, False),
        ("GetLog", {"retryInterval": -1}, False),
        ("Reset", {"extra": 1}, False),
        ("TriggerMessage", {"connectorId": None}, False),
    ],
)
def test_a_demand_stands_in_the_schema(action: str, change: dict[str, Any], fine: bool) -> None:
    content = {**payloads.EXAMPLES[action], **change}
    assert accepted(FROM_CENTRAL_SYSTEM[action], content) == fine
    assert validator(FROM_CENTRAL_SYSTEM[action]).is_valid(content) == fine


PROFILE: dict[str, Any] = payloads.EXAMPLES["SetChargingProfile"]["csChargingProfiles"]
EMPTY = {"chargingRateUnit": "A", "chargingSchedulePeriod": []}


@pytest.mark.parametrize(
    ("connector_id", "change", "fine"),
    [
        (0, {}, True),
        (1, {}, True),
        (0, {"chargingProfilePurpose": "TxProfile"}, False),
        (1, {"chargingProfilePurpose": "TxProfile"}, True),
        (1, {"chargingProfilePurpose": "TxProfile", "transactionId": 7}, True),
        (0, {"chargingProfilePurpose": "ChargePointMaxProfile"}, True),
        (1, {"chargingProfilePurpose": "ChargePointMaxProfile"}, False),
        (0, {"chargingProfileKind": "Recurring"}, False),
        (0, {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}, True),
        (0, {"stackLevel": -1}, False),
        (0, {"chargingSchedule": EMPTY}, False),
    ],
)
def test_demands_on_a_charging_profile(
    connector_id: int, change: dict[str, Any], fine: bool
) -> None:
    content = {"connectorId": connector_id, "csChargingProfiles": {**PROFILE, **change}}
    action = FROM_CENTRAL_SYSTEM["SetChargingProfile"]
    assert (accepted(action, content), validator(action).is_valid(content)) == (fine, fine)


@pytest.mark.parametrize(
    ("change", "fine"),
    [
        ({}, True),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, False),
        ({"transactionId": 7}, False),
        ({"chargingProfileKind": "Recurring"}, False),
        ({"stackLevel": -1}, False),
        ({"chargingSchedule": EMPTY}, False),
    ],
)
def test_demands_on_the_profile_of_a_remote_start(change: dict[str, Any], fine: bool) -> None:
    profile = {**PROFILE, "chargingProfilePurpose": "TxProfile", **change}
    content = {"idTag": "0fc673", "chargingProfile": profile}
    action = FROM_CENTRAL_SYSTEM["RemoteStartTransaction"]
    assert (accepted(action, content), validator(action).is_valid(content)) == (fine, fine)


def test_every_text_is_of_something() -> None:
    places = {
        name
        for part, content in payloads.schemas().items()
        for property in content["properties"]
        for name in (property, f"{part}.{property}")
    }
    assert payload_texts.PROPERTIES.keys() <= places
    assert payload_texts.EXAMPLES.keys() == FROM_CENTRAL_SYSTEM.keys()
    assert payload_texts.NOTES.keys() <= FROM_CENTRAL_SYSTEM.keys()
    assert LOWEST.keys() <= places


def test_what_an_operator_should_know_is_said() -> None:
    told = payloads.description(FROM_CENTRAL_SYSTEM["Reset"])
    assert "Reset.req" in told
    assert "may lose that queue" in told  # R42
    assert "`retryInterval`" in payloads.description(FROM_CENTRAL_SYSTEM["GetDiagnostics"])
