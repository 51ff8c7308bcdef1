"""Charge points kept over REST while they are connected, as an operator sees it from outside.

On PostgreSQL what is changed is changed by the server that does not hold the sockets.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from ocpp_cs.db.owned import OWNED
from tests.charge_point import Closed, HandshakeRefused, connect
from tests.conftest import StartServer
from tests.e2e.commands import Pair, start_pair
from tests.e2e.conftest import plain_sql
from tests.servers import wait_until

PATH = "/api/v1/charge-points"
CLOSED = {"UNKNOWN_CHARGE_POINTS": "closed", "UNKNOWN_ID_TAGS": "open", "PRESENCE_INTERVAL": "1"}
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"}


class Admin:
    """Requests with an admin's key."""

    def __init__(self, pair: Pair) -> None:
        self._server = pair.ordering
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {pair.ordering.api_key('admin')}"

    def ask(self, method: str, path: str, **options: Any) -> Any:
        return self._session.request(method, self._server.http(path), timeout=60, **options)

    def register(self, identity: str) -> bytes:
        answer = self.ask("POST", PATH, json={"id": identity})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["password"]).encode()


class Talker:
    """A charge point that tells of new sessions as fast as it is answered."""

    def __init__(self, pair: Pair, identity: str, password: bytes) -> None:
        self._charge_point = connect(pair.holding.ws_url(""), identity, password=password)
        self.answered = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk)
        self._thread.start()

    def _talk(self) -> None:
        number = 0
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
        while not self._stop.is_set():
            number += 1
            start = {
                "connectorId": 1,
                "idTag": "TAG",
                "meterStart": number,
                "timestamp": "2021-11-10T14:00:00Z",
            }
            try:
                self._charge_point.call("StartTransaction", start)
                self.answered += 1
                self._charge_point.call("StatusNotification", status)
            except Closed:
                return

    def wait_closed(self) -> Closed:
        closed = self._charge_point.wait_closed(30)
        self._thread.join(30)
        return closed

    def close(self) -> None:
        self._stop.set()
        self._thread.join(30)
        self._charge_point.close()


def without_charge_point(url: str) -> dict[str, int]:
    """Rows of charge points that are not there, by table."""
    with plain_sql(url) as connection:
        counts = {
            table._meta.table_name: connection.execute(
                f"SELECT count(*) FROM {table._meta.table_name}"
                " WHERE charge_point_id NOT IN (SELECT id FROM charge_points)"
            ).fetchone()[0]
            for table in OWNED
        }
    return {name: count for name, count in counts.items() if count}


def test_deleted_while_they_talk(server: StartServer, database_url: str) -> None:
    pair = start_pair(server, database_url, **CLOSED)
    admin = Admin(pair)
    gone = [f"GONE-{number}" for number in range(6)]
    talkers = {id: Talker(pair, id, admin.register(id)) for id in (*gone, "STAYS")}
    wait_until(lambda: all(talker.answered > 5 for talker in talkers.values()), seconds=30)
    for identity in gone:
        assert admin.ask("DELETE", f"{PATH}/{identity}").status_code == 409
        answer = admin.ask("DELETE", f"{PATH}/{identity}?cascade=true")
        assert answer.status_code == 204, answer.text
    for identity in gone:
        assert talkers[identity].wait_closed().code == 1008
    before = talkers["STAYS"].answered
    wait_until(lambda: talkers["STAYS"].answered > before)
    talkers["STAYS"].close()
    assert without_charge_point(database_url) == {}
    assert [item["id"] for item in admin.ask("GET", PATH).json()["items"]] == ["STAYS"]
    with plain_sql(database_url) as connection:
        [[stored]] = connection.execute("SELECT count(*) FROM transactions").fetchall()
    assert stored == talkers["STAYS"].answered
    with pytest.raises(HandshakeRefused) as refused:
        connect(pair.holding.ws_url(""), gone[0], password=bytes(20))
    assert refused.value.status == 404
    assert "Traceback" not in pair.holding.log_text() + pair.ordering.log_text()


def test_changed_while_it_is_connected(server: StartServer, database_url: str) -> None:
    pair = start_pair(server, database_url, **CLOSED)
    admin = Admin(pair)
    password = admin.register("CP-1")
    one = f"{PATH}/CP-1"
    with connect(pair.holding.ws_url(""), "CP-1", password=password) as charge_point:
        changes = {"registration": "rejected", "heartbeat_interval_s": 77}
        assert admin.ask("PATCH", one, json=changes).status_code == 200
        boot = charge_point.call("BootNotification", BOOT)
        assert boot["status"] == "Rejected"
        admin.ask("PATCH", one, json={"registration": "accepted"})
        boot = charge_point.call("BootNotification", BOOT)
        assert (boot["status"], boot["interval"]) == ("Accepted", 77)
        made = admin.ask("PATCH", one, json={"password": None}).json()["password"]
        charge_point.call("Heartbeat")  # the connection goes on
    with pytest.raises(HandshakeRefused):
        connect(pair.holding.ws_url(""), "CP-1", password=password)
    with connect(pair.holding.ws_url(""), "CP-1", password=made.encode()):
        pass
    assert admin.ask("PATCH", one, json={"security_profile": 0}).status_code == 200
    with connect(pair.holding.ws_url(""), "CP-1"):
        pass
    with pytest.raises(HandshakeRefused) as refused:
        connect(f"ws://127.0.0.1:{pair.holding.port}/steve/websocket", "CP-1")
    assert refused.value.status == 404
    attempts = admin.ask("GET", "/api/v1/connection-attempts?accepted=false").json()["items"]
    assert {(each["charge_point_id"], each["outcome"]) for each in attempts} == {
        ("CP-1", "wrong_path"),
        ("CP-1", "wrong_password"),
    }
    assert all(each["hint"] for each in attempts)
