"""A newcomer's first session: four frames typed into a plain client, then a look at REST."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import requests

from tests.conftest import StartServer
from tests.e2e.conftest import ask, items, plain_client

BOOT = '[2,"1","BootNotification",{"chargePointVendor":"ACME","chargePointModel":"WALLBOX"}]'
AUTHORIZE = '[2,"2","Authorize",{"idTag":"0fc673"}]'
START = (
    '[2,"3","StartTransaction",{"connectorId":1,"idTag":"0fc673","meterStart":10000,'
    '"timestamp":"2021-11-10T14:00:00.000Z"}]'
)
STOP = (
    '[2,"4","StopTransaction",{"idTag":"0fc673","meterStop":15000,'
    '"timestamp":"2021-11-10T15:15:00.000Z","transactionId":1,"reason":"EVDisconnected",'
    '"transactionData":['
    '{"timestamp":"2021-11-10T14:15:00.000Z","sampledValue":[{"value":"11000"}]},'
    '{"timestamp":"2021-11-10T14:30:00.000Z","sampledValue":[{"value":"12000"}]},'
    '{"timestamp":"2021-11-10T14:45:00.000Z","sampledValue":[{"value":"13000"}]},'
    '{"timestamp":"2021-11-10T15:00:00.000Z","sampledValue":[{"value":"14000"}]}]}]'
)


def next_midnight() -> str:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return tomorrow.strftime("%Y-%m-%dT00:00:00.000Z")


def test_the_first_session(server: StartServer, database_url: str) -> None:
    running = server(database_url)
    midnight = next_midnight()
    with plain_client(running, "CB-4711") as client:
        kind, message_id, boot = ask(client, BOOT)
        assert (kind, message_id) == (3, "1")
        assert list(boot) == ["status", "currentTime", "interval"]
        assert (boot["status"], boot["interval"]) == ("Accepted", 14400)
        skew = datetime.now(UTC) - datetime.fromisoformat(boot["currentTime"])
        assert boot["currentTime"].endswith("Z")
        assert abs(skew) < timedelta(seconds=10)
        accepted = {"status": "Accepted", "expiryDate": midnight}
        assert ask(client, AUTHORIZE) == [3, "2", {"idTagInfo": accepted}]
        assert ask(client, START) == [3, "3", {"transactionId": 1, "idTagInfo": accepted}]
        assert ask(client, STOP) == [3, "4", {"idTagInfo": accepted}]

    transaction = requests.get(running.http("/api/v1/transactions/1"), timeout=10).json()
    assert transaction["charge_point_id"] == "CB-4711"
    assert (transaction["energy_wh"], transaction["duration_s"]) == (5000, 4500)
    assert (transaction["status"], transaction["stop_reason"]) == ("completed", "EVDisconnected")
    samples = items(running, "/api/v1/transactions/1/meter-values")
    assert [(row["sampled_at"], row["value"], row["unit"]) for row in samples] == [
        ("2021-11-10T14:15:00.000Z", 11000, "Wh"),
        ("2021-11-10T14:30:00.000Z", 12000, "Wh"),
        ("2021-11-10T14:45:00.000Z", 13000, "Wh"),
        ("2021-11-10T15:00:00.000Z", 14000, "Wh"),
    ]
    assert {row["measurand"] for row in samples} == {"Energy.Active.Import.Register"}
    assert "Traceback" not in running.log_text()
