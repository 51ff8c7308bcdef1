"""One request, to a receiver that may do anything: what counts as arrived, how long it takes."""

from __future__ import annotations

import base64
import json
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ocpp_cs.api.columns import columns_of
from ocpp_cs.api.events import Event
from ocpp_cs.api.formats import to_json
from ocpp_cs.db.queries import EventRow
from ocpp_cs.webhooks import sending
from ocpp_cs.webhooks.letters import letter, send, send_test
from ocpp_cs.webhooks.sending import Outcome
from ocpp_cs.webhooks.signature import new_secret
from ocpp_cs.webhooks.targets import Targets
from tests.authority import Authority
from tests.webhooks.conftest import HERE
from tests.webhooks.receiver import ACKNOWLEDGED, Receiver, verified

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = EventRow(17, "offline", NOW, "CB-1", '{"offline_since":"x"}')


def sent(receiver: Receiver, does: str, targets: Targets = HERE) -> Outcome:
    receiver.decide = lambda number: does
    receiver.secret = receiver.secret or new_secret()
    return send(targets, 3, receiver.url, receiver.secret, [(17, letter(EVENT))], NOW)


def test_a_delivery_is_signed_and_whole(receiver: Receiver) -> None:
    outcome = sent(receiver, "good")
    assert (outcome.delivered, outcome.http_status, outcome.error) == (True, 204, None)
    assert receiver.events == [
        {
            "id": 17,
            "type": "offline",
            "at": "2026-03-01T12:00:00.000Z",
            "charge_point_id": "CB-1",
            "data": {"offline_since": "x"},
        }
    ]
    [(line, headers)] = receiver.heads
    assert line == "POST /hook?x=1 HTTP/1.1"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "3-17-17"
    assert headers["webhook-timestamp"] == "1772366400"


def test_a_signature_is_of_the_secret_the_time_and_the_body(receiver: Receiver) -> None:
    sent(receiver, "good")
    _, headers = receiver.heads[0]
    body = b'{"webhook_id":3,"events":[%s]}' % letter(EVENT)
    assert verified(receiver.secret, headers, body)
    assert not verified(receiver.secret, headers, body + b" ")
    assert not verified(new_secret(), headers, body)
    for name in ("webhook-timestamp", "webhook-id"):
        assert not verified(receiver.secret, {**headers, name: "1"}, body)


@pytest.mark.parametrize("does", ACKNOWLEDGED)
def test_a_whole_answer_of_success_is_believed(receiver: Receiver, does: str) -> None:
    assert sent(receiver, does).delivered


@pytest.mark.parametrize(
    ("does", "error"),
    [
        ("500", "it answered 500 Oops"),
        ("404", "it answered 404 Not Found"),
        ("redirect", "it answered 307 Elsewhere"),
        ("half a body", "96 bytes too early"),
        ("half a chunk", "IncompleteRead"),
        ("half a head", "within its headers"),
        ("a status line", "within its headers"),
        ("no HTTP", "BadStatusLine"),
        ("nothing", "RemoteDisconnected"),
        ("shut", "Reset|Disconnected|Broken"),
        ("reset", "ConnectionReset"),
        ("too much", "longer than 65536"),
        ("endless", "more than 100 headers"),
        ("hang", "no complete answer within 0.5 s"),
        ("drip", "no complete answer within 0.5 s"),
    ],
)
def test_anything_else_is_not(receiver: Receiver, does: str, error: str) -> None:
    outcome = sent(receiver, does)
    assert not outcome.delivered
    assert re.search(error, outcome.error or ""), outcome
    assert receiver.events == []


def test_nobody_there(receiver: Receiver) -> None:
    receiver.close()
    assert "ConnectionRefused" in (sent(receiver, "good").error or "")


def test_an_address_that_is_not_allowed_gets_no_byte(receiver: Receiver) -> None:
    name = f"http://localhost:{receiver.port}/"
    outcome = send_test(Targets(plain_http=True), 3, name, new_secret(), NOW)
    assert "no public address" in (outcome.error or "")
    # That it took long to find out does not hide what was found.
    late = send_test(Targets(plain_http=True, timeout_s=0.0), 3, name, new_secret(), NOW)
    assert late.error == outcome.error
    assert receiver.requests == []
    receiver.secret = new_secret()
    assert send_test(HERE, 3, name, receiver.secret, NOW).delivered
    assert [event["type"] for event in receiver.events] == ["test"]


def test_no_proxy_is_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert sent(receiver, "good").delivered


@pytest.mark.parametrize("trusted", [True, False])
def test_certificates_are_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    authority = Authority(tmp_path)
    pair = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    receiver = Receiver(tls=context)
    receiver.secret = new_secret()
    client = ssl.create_default_context(cafile=authority.cert if trusted else None)
    monkeypatch.setattr(sending, "_tls", lambda: client)
    try:
        url = f"https://127.0.0.1:{receiver.port}/"
        outcome = send_test(HERE, 3, url, receiver.secret, NOW)
    finally:
        receiver.close()
    assert outcome.delivered == trusted
    assert trusted or "CERTIFICATE_VERIFY_FAILED" in (outcome.error or "")


def test_a_secret_is_32_random_bytes() -> None:
    secrets = {new_secret() for _ in range(10)}
    assert len(secrets) == 10
    assert {len(base64.b64decode(each.removeprefix("whsec_"))) for each in secrets} == {32}


def test_letters_are_what_the_list_shows() -> None:
    columns = columns_of(Event)
    [shown] = columns.dicts(columns.table([EVENT]))
    assert json.loads(letter(EVENT)) == json.loads(to_json(shown))
