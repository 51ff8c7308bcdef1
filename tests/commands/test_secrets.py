"""Secrets in requests are blotted out, and nothing else is changed."""

from __future__ import annotations

import json

import pytest

from ocpp_cs.commands.secrets import BLOT, is_secret_key, shown_request, shown_response
from tests.commands.conftest import Office


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey", " AUTHORIZATIONKEY "])
def test_keys_are_secret_whatever_their_case(key: str) -> None:
    assert is_secret_key(key)
    shown = json.loads(shown_request("ChangeConfiguration", json.dumps({"key": key, "value": "s"})))
    assert shown == {"key": key, "value": BLOT}


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ftp://user:pa55@host/x", f"ftp://user:{BLOT}@host/x"),
        ("ftp://user:p:5@host:21/a@b", f"ftp://user:{BLOT}@host:21/a@b"),
        ("ftp://user@host/x", "ftp://user@host/x"),
        ("https://host:443/a:b@c", "https://host:443/a:b@c"),
    ],
)
def test_passwords_in_urls(location: str, shown: str) -> None:
    request = json.dumps({"location": location, "retries": 1})
    assert json.loads(shown_request("GetDiagnostics", request)) == {"location": shown, "retries": 1}
    nested = json.dumps({"log": {"remoteLocation": location}, "list": [location]})
    assert json.loads(shown_request("GetLog", nested)) == {
        "log": {"remoteLocation": shown},
        "list": [shown],
    }


@pytest.mark.parametrize(
    ("action", "request_text"),
    [
        ("ChangeConfiguration", '{"key":"HeartbeatInterval","value":"900"}'),
        ("Reset", '{"type":"Soft"}'),
    ],
)
def test_the_rest_is_shown_as_it_is(action: str, request_text: str) -> None:
    assert shown_request(action, request_text) == request_text


def test_a_key_that_a_charge_point_tells() -> None:
    other = {"key": "HeartbeatInterval", "readonly": False, "value": "900"}
    told = {"key": "AuthorizationKey", "readonly": False, "value": "secret"}
    shown = shown_response("GetConfiguration", json.dumps({"configurationKey": [other, told]}))
    assert json.loads(shown or "") == {"configurationKey": [other, {**told, "value": BLOT}]}


@pytest.mark.parametrize(
    "response",
    [
        None,
        "{}",
        '"odd"',
        '{"configurationKey":"odd"}',
        '{"configurationKey":["odd",{"key":"AuthorizationKey","readonly":false}]}',
    ],
)
def test_other_answers_are_shown_as_they_are(response: str | None) -> None:
    assert shown_response("GetConfiguration", response) == response


def test_a_key_in_an_answer_is_not_stored(office: Office) -> None:
    id = office.place("GetConfiguration")
    office.answer(configurationKey=[{"key": "AuthorizationKey", "readonly": False, "value": "s3"}])
    assert json.loads(office.command(id)["response"])["configurationKey"][0]["value"] == BLOT
