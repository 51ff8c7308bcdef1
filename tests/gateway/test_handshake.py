"""Who is let in and what the others are told: status, header, reason, and what is recorded."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus

from ocpp_cs.db.models import ChargePoint, ConnectionAttempt
from tests.gateway.conftest import (
    BOOT,
    HEARTBEAT,
    PATH,
    UPGRADE,
    Gate,
    RawPeer,
    StartGate,
    basic,
)
from tests.servers import wait_until

KEY = bytes(range(20))
OTHER_KEY = bytes(range(20, 40))
PASSWORD = b"correct-horse-battery"


def refusal(gate: Gate, path: str, **headers: str) -> tuple[int, str]:
    """Status and reason of an upgrade that is refused."""
    status, answered, body = gate.request(path, {**UPGRADE, **headers})
    assert answered["content-type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["detail"]
    return status, problem["reason"]


# --- Identity (R1) ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, "/ocpp/"])
@pytest.mark.parametrize(
    ("segment", "identity"),
    [
        ("CB-4711", "CB-4711"),
        ("CP%201", "CP 1"),
        ("%43P1", "CP1"),
        ("S%C3%A4ule", "Säule"),
        ("50%25", "50%"),
        ("a%252Fb", "a%2Fb"),  # decoded once
        ("x" * 48, "x" * 48),
        ("CP1?token=1", "CP1"),
    ],
)
def test_identity_is_the_last_segment_decoded_once(
    gate: Gate, path: str, segment: str, identity: str
) -> None:
    with RawPeer(gate.port) as peer:
        status, _, _ = peer.request(path + segment, UPGRADE)
        assert status == 101
    assert gate.charge_point(identity) is not None


def test_identity_is_case_sensitive(gate: Gate) -> None:
    with gate.connect("CP1"), gate.connect("cp1"):
        gate.wait_until_connected(2)


@pytest.mark.parametrize(
    ("segment", "recorded"),
    [
        ("", ""),
        ("a%2Fb", "a/b"),
        ("%2Fb", "/b"),
        ("a/b", "a/b"),
        ("a//b", "a//b"),
        ("CP1/", "CP1/"),
        ("a:b", "a:b"),
        ("a%3Ab", "a:b"),
        ("a%00b", "a\ufffdb"),
        ("a%0Ab", "a\ufffdb"),
        ("a%E2%80%AEb", "a\ufffdb"),
        ("%FF", "\ufffd"),
        ("x" * 49, "x" * 48),
    ],
)
def test_what_is_no_identity_is_refused(gate: Gate, segment: str, recorded: str) -> None:
    assert refusal(gate, PATH + segment) == (400, "bad_identity")
    assert gate.attempts() == [(recorded, "bad_identity", 400, 1)]
    assert gate.gateway.connected == 0


# --- The upgrade itself (F17) -------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, "/ocpp/"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upgrade": "websocket"},
        {"Connection": "Upgrade"},
        {"Connection": "Upgrade", "Upgrade": "h2c"},
        {"Connection": "keep-alive", "Upgrade": "websocket"},
    ],
)
def test_plain_request_is_told_to_upgrade(gate: Gate, path: str, headers: dict[str, str]) -> None:
    status, answered, body = gate.request(f"{path}CP1", headers)
    assert status == 426
    assert answered["upgrade"] == "websocket"
    assert "ocpp1.6" in json.loads(body)["detail"]
    assert gate.attempts() == [("CP1", "no_upgrade", 426, 1)]


@pytest.mark.parametrize("line", ["HEAD {} HTTP/1.1", "GET {} HTTP/1.0", "POST {} HTTP/1.1"])
def test_only_a_get_of_http_1_1_upgrades(gate: Gate, line: str) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    with RawPeer(gate.port) as peer:
        peer.socket.sendall(f"{line.format(PATH + 'CP1')}\r\n{headers}\r\n".encode())
        assert peer.socket.recv(65536).split()[1] in (b"405", b"426")
    assert gate.charge_point() is None


@pytest.mark.parametrize("version", ["", "8", "13, 8", "x"])
def test_other_websocket_versions_are_refused(gate: Gate, version: str) -> None:
    headers = {**UPGRADE, "Sec-WebSocket-Version": version}
    status, answered, _ = gate.request(PATH + "CP1", headers)
    assert (status, answered["sec-websocket-version"]) == (426, "13")


@pytest.mark.parametrize(
    "key", ["", "x", "!" * 24, base64.b64encode(bytes(15)).decode(), "AAAAAAAAAAAAAAAAAAAAAA"]
)
def test_bad_websocket_key_is_refused(gate: Gate, key: str) -> None:
    headers = {"Sec-WebSocket-Key": key}
    assert refusal(gate, PATH + "CP1", **headers) == (400, "bad_websocket_key")


def test_answer_to_the_upgrade(gate: Gate) -> None:
    with RawPeer(gate.port) as peer:
        offer = {"Sec-WebSocket-Protocol": "ocpp1.6", "Upgrade": "WebSocket"}
        extensions = {"Sec-WebSocket-Extensions": "permessage-deflate"}
        key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # RFC 6455, section 1.3
        _, answered, _ = peer.request(PATH + "CP1", {**UPGRADE, **offer, **extensions, **key})
    assert answered == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "sec-websocket-protocol": "ocpp1.6",
    }


# --- Subprotocol (R3) ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "required", "outcome"),
    [
        ("ocpp1.6", False, "ocpp1.6"),
        ("ocpp0.1,ocpp1.6", True, "ocpp1.6"),
        ("ocpp2.0.1, ocpp1.6", False, "ocpp1.6"),
        ("", False, "accepted without"),
        (None, False, "accepted without"),
        (None, True, "no_subprotocol"),
        (" , ", True, "no_subprotocol"),
        ("ocpp0.1", False, "unsupported_subprotocol"),
        ("ocpp2.0.1", True, "unsupported_subprotocol"),
        ("OCPP1.6", False, "unsupported_subprotocol"),
        ("xocpp1.6", False, "unsupported_subprotocol"),
    ],
)
def test_subprotocol(
    start_gate: StartGate, offered: str | None, required: bool, outcome: str
) -> None:
    gate = start_gate(ocpp_require_subprotocol=required)
    headers = {} if offered is None else {"Sec-WebSocket-Protocol": offered}
    with RawPeer(gate.port) as peer:
        status, answered, body = peer.request(PATH + "CP1", {**UPGRADE, **headers})
        if status == 101:
            found = answered.get("sec-websocket-protocol", "accepted without")
            assert gate.charge_point().subprotocol_offered == (found == "ocpp1.6")
        else:
            assert status == 400
            found = json.loads(body)["reason"]
            assert gate.attempts() == [("CP1", outcome, 400, 1)]
    assert found == outcome


# --- Unknown charge points (R2, R21) ------------------------------------------------------------


def test_closed_policy_answers_404_and_creates_nothing(start_gate: StartGate) -> None:
    gate = start_gate(unknown_charge_points="closed")
    for _ in range(3):
        assert refusal(gate, PATH + "CP1") == (404, "unknown_charge_point")
    assert gate.charge_point() is None
    assert gate.attempts() == [("CP1", "unknown_charge_point", 404, 3)]


def test_open_policy_registers_and_accepts(gate: Gate) -> None:
    with gate.connect() as peer:
        peer.send(HEARTBEAT)
        assert json.loads(peer.recv())[0] == 3
    assert gate.charge_point().registration == "accepted"
    assert gate.attempts() == [("CP1", "accepted", 101, 1)]


def test_pending_policy_registers_and_waits(start_gate: StartGate) -> None:
    gate = start_gate(unknown_charge_points="pending", presence_interval=0.1)
    with gate.connect() as peer:
        peer.send(BOOT)
        assert json.loads(peer.recv())[2]["status"] == "Pending"
        peer.send(HEARTBEAT)
        assert json.loads(peer.recv())[2] == "SecurityError"
        # An operator approves: the live connection learns it with the next presence.
        gate.write(ChargePoint.update(registration="accepted"))

        def accepted() -> bool:
            peer.send(HEARTBEAT)
            return bool(json.loads(peer.recv())[0] == 3)

        wait_until(accepted)


# --- Basic authentication (R17, R18, W4, A4) ----------------------------------------------------


@pytest.mark.parametrize("stored", [KEY, KEY.hex().encode()])
@pytest.mark.parametrize("shown", [KEY, KEY.hex().encode(), KEY.hex().upper().encode()])
def test_key_is_accepted_as_bytes_and_as_text(gate: Gate, stored: bytes, shown: bytes) -> None:
    gate.add_charge_point("CP1", key=stored)
    with gate.connect(headers=basic("CP1", shown)) as peer:
        peer.send(HEARTBEAT)
        assert json.loads(peer.recv())[0] == 3


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, "no_password"),
        (basic("CP1", OTHER_KEY), "wrong_password"),
        (basic("CP1", b""), "wrong_password"),
        (basic("CP2", KEY), "wrong_user_name"),
        (basic("cp1", KEY), "wrong_user_name"),
        ({"Authorization": "Basic !"}, "unreadable_authorization_header"),
        ({"Authorization": "Bearer x"}, "unreadable_authorization_header"),
    ],
)
def test_wrong_credentials_are_refused(gate: Gate, headers: dict[str, str], outcome: str) -> None:
    gate.add_charge_point("CP1", key=KEY)
    status, answered, body = gate.request(PATH + "CP1", {**UPGRADE, **headers})
    assert (status, json.loads(body)["reason"]) == (401, "unauthorized")
    assert answered["www-authenticate"].startswith("Basic ")
    assert gate.attempts() == [("CP1", outcome, 401, 1)]


def test_profile_without_a_key_lets_nobody_in(gate: Gate) -> None:
    gate.add_charge_point("CP1", security_profile=1)
    assert refusal(gate, PATH + "CP1", **basic("CP1", KEY))[0] == 401


def test_stored_key_is_asked_for_whatever_the_profile(gate: Gate) -> None:
    gate.add_charge_point("CP1", key=KEY, security_profile=0)
    assert refusal(gate, PATH + "CP1")[0] == 401


def test_without_a_key_nothing_is_asked_for(gate: Gate) -> None:
    gate.add_charge_point("CP1")
    with gate.connect(headers=basic("CP1", KEY)), gate.connect("CP1"):
        gate.wait_until_connected(1)


def test_password_of_a_person(gate: Gate) -> None:
    gate.add_charge_point("CP1", key=PASSWORD, generated=False)
    for _ in range(2):  # the second time from the cache
        with gate.connect(headers=basic("CP1", PASSWORD)):
            pass
    assert refusal(gate, PATH + "CP1", **basic("CP1", PASSWORD + b"!"))[0] == 401


def test_old_key_lives_until_the_first_login_with_the_new_one(gate: Gate) -> None:
    gate.add_charge_point("CP1", key=KEY, next_key=OTHER_KEY)
    for key in (KEY, KEY, OTHER_KEY, OTHER_KEY):
        with gate.connect(headers=basic("CP1", key)):
            pass
    assert refusal(gate, PATH + "CP1", **basic("CP1", KEY))[0] == 401
    assert gate.charge_point().next_key_hash is None


def test_first_key_counts_from_its_first_login_on(gate: Gate) -> None:
    gate.add_charge_point("CP1", next_key=KEY)
    for headers in ({}, basic("CP1", OTHER_KEY), basic("CP1", KEY)):
        with gate.connect(headers=headers):
            pass
    assert refusal(gate, PATH + "CP1")[0] == 401


def test_hidden_unknown_charge_point_looks_like_a_wrong_password(start_gate: StartGate) -> None:
    gate = start_gate(unknown_charge_points="closed", hide_unknown=True)
    gate.add_charge_point("CP1", key=KEY)
    gate.add_charge_point("CP2", key=PASSWORD, generated=False)
    for headers in ({}, basic("CP1", OTHER_KEY), {"Authorization": "x"}):
        answers = [
            gate.request(PATH + "CP1", {**UPGRADE, **headers}),
            gate.request(PATH + "CPx", {**UPGRADE, **headers}),
        ]
        for _, answered, _ in answers:
            del answered["date"]
        assert answers[0] == answers[1]
        assert answers[0][0] == 401
    assert ("CPx", "no_password", 401, 1) in gate.attempts()
    refusal(gate, PATH + "CPx", **basic("CPx", OTHER_KEY))
    assert ("CPx", "unknown_charge_point", 401, 1) in gate.attempts()


# --- Limits (A3, F7, F18) -----------------------------------------------------------------------


def test_guesses_are_limited_per_address_and_charge_point(start_gate: StartGate) -> None:
    gate = start_gate(login_attempts_per_id=3)
    gate.add_charge_point("CP1", key=KEY)
    gate.add_charge_point("CP2", key=KEY)
    wrong, right = basic("CP1", OTHER_KEY), basic("CP1", KEY)
    assert [refusal(gate, PATH + "CP1", **wrong)[0] for _ in range(3)] == [401] * 3
    status, answered, _ = gate.request(PATH + "CP1", {**UPGRADE, **right})
    assert status == 429
    assert 1 <= int(answered["retry-after"]) <= 60
    with gate.connect("CP2", headers=basic("CP2", KEY)):
        gate.wait_until_connected(1)


def test_guesses_are_limited_per_address(start_gate: StartGate) -> None:
    gate = start_gate(login_attempts_per_address=3)
    for number in range(5):
        gate.add_charge_point(f"CP{number}", key=KEY)
    found = [
        refusal(gate, f"{PATH}CP{number}", **basic(f"CP{number}", OTHER_KEY))[0]
        for number in range(5)
    ]
    assert found == [401, 401, 401, 429, 429]


def test_guesses_at_the_same_time_are_counted_too(start_gate: StartGate) -> None:
    gate = start_gate(login_attempts_per_id=3)
    gate.add_charge_point("CP1", key=PASSWORD, generated=False)
    found: list[int] = []

    def guess() -> None:
        found.append(refusal(gate, PATH + "CP1", **basic("CP1", b"a wrong password"))[0])

    threads = [threading.Thread(target=guess) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [401] * 3 + [429] * 7


def test_success_forgives_earlier_failures(start_gate: StartGate) -> None:
    gate = start_gate(login_attempts_per_id=3)
    gate.add_charge_point("CP1", key=KEY)
    for _ in range(3):
        for _ in range(2):
            assert refusal(gate, PATH + "CP1", **basic("CP1", OTHER_KEY))[0] == 401
        with gate.connect(headers=basic("CP1", KEY)):
            pass


def test_forgotten_password_is_no_guess(start_gate: StartGate) -> None:
    gate = start_gate(login_attempts_per_id=1)
    gate.add_charge_point("CP1", key=KEY)
    assert [refusal(gate, PATH + "CP1")[0] for _ in range(3)] == [401] * 3


def test_full_server_takes_only_those_that_replace_themselves(start_gate: StartGate) -> None:
    gate = start_gate(max_charge_points=2)
    with gate.connect("CP1"), gate.connect("CP2"):
        status, answered, _ = gate.request(PATH + "CP3", UPGRADE)
        assert (status, int(answered["retry-after"]) > 0) == (503, True)
        with gate.connect("CP1"):
            gate.wait_until_connected(2)
    assert ("CP3", "too_many_charge_points", 503, 1) in gate.attempts()


def test_draining_server_takes_nobody(gate: Gate) -> None:
    gate.gateway.drain()
    status, answered, _ = gate.request(PATH + "CP1", UPGRADE)
    assert (status, int(answered["retry-after"]) > 0) == (503, True)
    assert gate.attempts() == [("CP1", "shutting_down", 503, 1)]


# --- What is recorded ---------------------------------------------------------------------------


def test_what_a_stranger_says_is_recorded_harmlessly(start_gate: StartGate) -> None:
    gate = start_gate(unknown_charge_points="closed")
    headers = {"User-Agent": "x" * 300 + "\x85", "Sec-WebSocket-Protocol": "a\x85b," + "y" * 300}
    refusal(gate, PATH + "CP1", **headers)
    (found,) = gate.read(ConnectionAttempt.select())
    assert found.remote_address == "127.0.0.1"
    assert found.user_agent == "x" * 200
    assert found.subprotocols == ("a\ufffdb, " + "y" * 300)[:200]


def test_refusal_needs_no_record(gate: Gate) -> None:
    """The table is gone: the peer is told all the same, and the log says what happened."""
    with gate.engine.writable().connection_context():
        gate.engine.writable().execute_sql("DROP TABLE connection_attempts")
    assert refusal(gate, PATH + "a:b") == (400, "bad_identity")
    assert any("could not be recorded" in text for text in gate.log.texts())


def test_no_secret_reaches_the_log_or_the_database(gate: Gate) -> None:
    gate.add_charge_point("CP1", key=PASSWORD, generated=False)
    for password in (PASSWORD, b"another-password"):
        gate.request(PATH + "CP1", {**UPGRADE, **basic("CP1", password)})
    gate.wait_until_connected(0)
    files = Path(gate.engine.path).parent.glob("test.db*")
    stored = b"".join(file.read_bytes() for file in files)
    assert b"wrong_password" in stored
    for secret in (PASSWORD, b"another-password"):
        text = base64.b64encode(b"CP1:" + secret)
        assert secret not in stored
        assert text not in stored
        for line in gate.log.texts():
            assert secret.decode() not in line
            assert text.decode() not in line


def test_independent_client_sees_the_refusal(start_gate: StartGate) -> None:
    gate = start_gate(unknown_charge_points="closed")
    with pytest.raises(InvalidStatus) as caught, gate.connect():
        pass
    assert caught.value.response.status_code == 404


# --- Another path -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("/ocpp16/CB-1", "CB-1"),
        ("/steve/websocket/CentralSystemService/CB-1", "CB-1"),
        ("/CB-1", "CB-1"),
        ("/CB-1/", "CB-1"),
        ("/OCPP/CB-1?token=1", "CB-1"),
        ("/ocpp", "ocpp"),
        ("/", ""),
        ("/x/S%C3%A4ule%201", "Säule 1"),
        ("/x/a%0Ab", "a\ufffdb"),
        ("/x/%FF", "\ufffd"),
        ("/x/" + "x" * 500, "x" * 48),
    ],
)
def test_wrong_path_is_recorded_and_told(gate: Gate, path: str, identity: str) -> None:
    status, _, body = gate.request(path, UPGRADE)
    problem = json.loads(body)
    assert (status, problem["status"], problem["reason"]) == (404, 404, "wrong_path")
    assert f"connect to /ocpp/{quote(identity, safe='')} on this server" in problem["detail"]
    assert gate.attempts() == [(identity, "wrong_path", 404, 1)]
    assert gate.charge_point() is None


def test_plain_request_at_another_path_is_nothing_of_ours(gate: Gate) -> None:
    assert gate.request("/CB-1")[0] == 404
    assert gate.request("/CB-1", {"Connection": "Upgrade", "Upgrade": "h2c"})[0] == 404
    assert gate.attempts() == []


def test_wrong_paths_are_counted_in_one_row(gate: Gate) -> None:
    for number in range(1, 4):
        gate.request(f"/{number}/CB-1", UPGRADE)
    assert gate.attempts() == [("CB-1", "wrong_path", 404, 3)]


# --- From a browser's page (A13) ----------------------------------------------------------------


def test_a_cookie_is_no_login_and_none_is_given(gate: Gate) -> None:
    """A page of others can send what the browser keeps for us: nothing of that counts. An Origin
    alone is no reason to refuse: real charge points send one."""
    gate.add_charge_point("CP1", key=KEY)
    origin = {"Origin": "https://evil.example"}
    cookie = {"Cookie": "session=x; Authorization=" + basic("CP1", KEY)["Authorization"]}
    status, answered, _ = gate.request(PATH + "CP1", {**UPGRADE, **origin, **cookie})
    assert (status, "set-cookie" in answered) == (401, False)
    with RawPeer(gate.port) as peer:
        headers = {**UPGRADE, **origin, **basic("CP1", KEY)}
        status, answered, _ = peer.request(PATH + "CP1", headers)
    assert (status, "set-cookie" in answered) == (101, False)
    assert not any(name.startswith("access-control-") for name in answered)
