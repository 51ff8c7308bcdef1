"""An independent client, the `ocpp` package's charge point, walks every message it can send.

The package validates each of our answers against the official schemas on its own.
"""

from __future__ import annotations

import asyncio
from typing import Any

import requests
from ocpp.v16 import ChargePoint, call
from ocpp.v16.enums import RegistrationStatus
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from ocpp_cs.ocpp16.messages import FROM_CHARGE_POINT
from tests.conftest import StartServer
from tests.e2e.conftest import items
from tests.servers import Server

IDENTITY = "INDEPENDENT"
AT = "2026-03-01T11:{:02}:00Z"


def messages(transaction_id: int) -> list[Any]:
    """A charge point's day after its start, in the package's own classes."""
    meter_value = [{"timestamp": AT.format(10), "sampled_value": [{"value": "1500"}]}]
    final_value = [{"timestamp": AT.format(29), "sampled_value": [{"value": "2400"}]}]
    return [
        call.Heartbeat(),
        call.StatusNotification(
            connector_id=1, error_code="NoError", status="Charging", timestamp=AT.format(1)
        ),
        call.MeterValues(connector_id=1, transaction_id=transaction_id, meter_value=meter_value),
        call.StopTransaction(
            transaction_id=transaction_id,
            meter_stop=2500,
            timestamp=AT.format(30),
            id_tag="TAG",
            reason="Local",
            transaction_data=final_value,
        ),
        call.DataTransfer(vendor_id="com.example", message_id="hello", data="world"),
        call.DiagnosticsStatusNotification(status="Uploaded"),
        call.FirmwareStatusNotification(status="Installed"),
        call.SecurityEventNotification(
            type="StartupOfTheDevice", timestamp=AT.format(2), tech_info="cold start"
        ),
        call.LogStatusNotification(status="Uploaded", request_id=7),
        call.SignedFirmwareStatusNotification(status="Installed", request_id=8),
        call.SignCertificate(csr="-----BEGIN CERTIFICATE REQUEST-----"),
    ]


async def walk(server: Server) -> tuple[list[str], int]:
    """The actions sent, and the transaction's id."""
    async with connect(server.ws_url(IDENTITY), subprotocols=[Subprotocol("ocpp1.6")]) as websocket:
        assert websocket.subprotocol == "ocpp1.6"
        charge_point = ChargePoint(IDENTITY, websocket)
        listening = asyncio.create_task(charge_point.start())
        sent = []

        async def send(request: Any) -> Any:
            sent.append(type(request).__name__)
            answer = await charge_point.call(request, suppress=False)
            assert answer is not None, request
            return answer

        boot = await send(
            call.BootNotification(charge_point_vendor="ACME", charge_point_model="WALLBOX")
        )
        assert boot.status == RegistrationStatus.accepted
        authorized = await send(call.Authorize(id_tag="TAG"))
        assert authorized.id_tag_info["status"] == "Accepted"
        started = await send(
            call.StartTransaction(
                connector_id=1, id_tag="TAG", meter_start=1000, timestamp=AT.format(0)
            )
        )
        for request in messages(started.transaction_id):
            await send(request)
        listening.cancel()
        return sent, started.transaction_id


def test_every_message(server: StartServer, database_url: str) -> None:
    running = server(database_url)
    sent, transaction_id = asyncio.run(walk(running))
    assert set(sent) == set(FROM_CHARGE_POINT)
    row = requests.get(running.http(f"/api/v1/transactions/{transaction_id}"), timeout=10).json()
    assert (row["energy_wh"], row["duration_s"], row["flags"]) == (1500, 1800, [])
    samples = items(running, f"/api/v1/transactions/{transaction_id}/meter-values")
    assert [sample["value"] for sample in samples] == [1500, 2400]
    (charge_point,) = items(running, "/api/v1/charge-points")
    assert (charge_point["id"], charge_point["vendor"]) == (IDENTITY, "ACME")
    assert "Traceback" not in running.log_text()
