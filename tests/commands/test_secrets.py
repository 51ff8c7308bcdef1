"""Secrets in requests are blotted out, and nothing else is changed."""

from __future__ import annotations

import json

import pytest

from ocpp_cs.commands.secrets import (
    BLOT,
    is_secret_key,
    shown_exchange,
    shown_frame,
    shown_request,
    shown_response,
)
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


@pytest.mark.parametrize(
    "frame",
    [
        '[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"hush"}]}]',
        '[3,"1",{"configurationKey":[{"key":"Authorization\\u004bey","value":"hush"}]}]',
        '[2,"1","ChangeConfiguration",{"key":"authorizationKEY","value":"hush"}]',
        '[2,"1","X",{"a":[[{"value":"hush","key":" AuthorizationKey "}]]}]',
        '[2,"1","X",{"key":"AuthorizationKey","value":"hush"}',  # not JSON
        '[2,"1","X",{"key":"AuthorizationKey","value":{"hush":1}}]',
    ],
)
def test_values_of_secret_keys_are_blotted_out_of_frames(frame: str) -> None:
    shown = shown_frame(frame.encode()).decode()
    assert "hush" not in shown
    assert BLOT in shown


@pytest.mark.parametrize(
    "frame",
    [
        b'[2,"1","X",{"key":"HeartbeatInterval", "value":"17"}]',
        b'[4,"1","X","AuthorizationKey is read-only",{}]',
        b'[2,"1","X",{"key":"\\ud800","value":"\\u0000"}]',
        b"\xff",
    ],
)
def test_other_frames_stay_as_they_are(frame: bytes) -> None:
    assert shown_frame(frame) == frame


def test_a_charge_point_may_quote_the_key_that_it_refuses() -> None:
    request = '{"key":"AuthorizationKey","value":"68757368"}'
    frame = f'[2,"7","ChangeConfiguration",{request}]'.encode()
    answer = b'[4,"7","PropertyConstraintViolation","68757368 is too short",{}]'
    shown, shown_answer = shown_exchange("ChangeConfiguration", request, frame, answer)
    assert json.loads(shown) == [
        2,
        "7",
        "ChangeConfiguration",
        {"key": "AuthorizationKey", "value": BLOT},
    ]
    assert json.loads(shown_answer or b"")[3] == f"{BLOT} is too short"
