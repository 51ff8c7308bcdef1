"""The `ocpp` package's charge point gets a certificate, uploads its log, and fetches firmware.

On PostgreSQL the orders and the files go to another server than the one that holds the socket.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.certificates import csr, ec_key, root
from tests.conftest import StartServer
from tests.e2e.commands import Pair, Rest, start_pair

IDENTITY = "INDEPENDENT"
PASSWORD = "correct-horse-battery"
LOG = random.Random(1).randbytes(3_000_000)
FIRMWARE = random.Random(2).randbytes(1_000_000)
AT = "2026-01-01T00:00:00Z"


class Independent(ChargePoint):
    """Does what it is told, and remembers it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.chains: asyncio.Queue[str] = asyncio.Queue()
        self.triggered: asyncio.Queue[str] = asyncio.Queue()
        self.downloads: asyncio.Queue[bytes] = asyncio.Queue()
        self.tasks: list[asyncio.Task[None]] = []

    @on("CertificateSigned")
    async def on_certificate_signed(self, certificate_chain: str) -> Any:
        await self.chains.put(certificate_chain)
        return call_result.CertificateSigned(status="Accepted")

    @on("GetLog")
    async def on_get_log(self, log: dict[str, Any], request_id: int, **_: Any) -> Any:
        url = log["remote_location"] + "security.log"
        self.tasks.append(asyncio.create_task(self._upload(url, request_id)))
        return call_result.GetLog(status="Accepted", filename="security.log")

    async def _upload(self, url: str, request_id: int) -> None:
        await self.call(call.LogStatusNotification(status="Uploading", request_id=request_id))
        # Without a length, as whoever makes a log while it is sent.
        parts = (LOG[start : start + 100_000] for start in range(0, len(LOG), 100_000))
        answer = await asyncio.to_thread(requests.put, url, data=parts, timeout=60)
        status = "Uploaded" if answer.status_code == 201 else "UploadFailure"
        await self.call(call.LogStatusNotification(status=status, request_id=request_id))

    @on("UpdateFirmware")
    async def on_update_firmware(self, location: str, **_: Any) -> Any:
        self.tasks.append(asyncio.create_task(self._download(location)))
        return call_result.UpdateFirmware()

    async def _download(self, url: str) -> None:
        await self.call(call.FirmwareStatusNotification(status="Downloading"))
        content = b""
        while len(content) < len(FIRMWARE):  # the connection breaks again and again
            asked = {"Range": f"bytes={len(content)}-{len(content) + 299_999}"}
            answer = await asyncio.to_thread(requests.get, url, headers=asked, timeout=60)
            assert answer.status_code == 206, answer.text
            content += answer.content
        await self.call(call.FirmwareStatusNotification(status="Downloaded"))
        await self.call(call.FirmwareStatusNotification(status="Installed"))
        await self.downloads.put(content)


async def certified(charge_point: Independent) -> list[x509.Certificate]:
    """What it gets for its request, which it sends twice, as if the answer was lost."""
    request = csr(IDENTITY)
    for _ in range(2):
        answer = await charge_point.call(call.SignCertificate(csr=request), suppress=False)
        assert answer.status == "Accepted"
    chain = await asyncio.wait_for(charge_point.chains.get(), 30)
    return x509.load_pem_x509_certificates(chain.encode())


async def until(rest: Any, server: Any, path: str, status: str) -> Any:
    """The only item of a list, once it has that status."""
    for _ in range(300):
        answer = await asyncio.to_thread(rest.get, server.http(path))
        [item] = answer.json()["items"]
        if item["status"] == status:
            return item
        await asyncio.sleep(0.1)
    raise AssertionError(item)


async def follow(pair: Pair, key: str, issuer: Any) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {key}"
    rest: Any = session
    server = pair.ordering
    basic = base64.b64encode(f"{IDENTITY}:{PASSWORD}".encode()).decode()
    async with connect(
        pair.holding.ws_url(IDENTITY),
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": f"Basic {basic}"},
    ) as websocket:
        charge_point = Independent(IDENTITY, websocket)
        listening = asyncio.create_task(charge_point.start())
        await charge_point.call(
            call.BootNotification(charge_point_vendor="ACME", charge_point_model="WALLBOX")
        )
        # A certificate.
        [own] = await certified(charge_point)
        own.verify_directly_issued_by(issuer.chain[0])
        assert own.public_key() == ec_key().public_key()
        await until(rest, server, "/api/v1/certificate-requests", "accepted")
        [held] = rest.get(server.http("/api/v1/certificates")).json()["items"]
        assert held["subject"] == f"CN={IDENTITY},O=Example CPO"
        assert charge_point.chains.empty()
        # A log.
        orders = Rest(server, key)
        payload = {"logType": "SecurityLog", "requestId": 7, "log": {"remoteLocation": "drop"}}
        answer = await asyncio.to_thread(orders.order, IDENTITY, "GetLog", payload)
        assert answer.status == 200, answer.body
        assert "********" in answer.body["request"]["log"]["remoteLocation"]
        path = "/api/v1/file-transfers?action=GetLog&request_id=7"
        moved = await until(rest, server, path, "completed")
        await asyncio.gather(*charge_point.tasks)
        content = rest.get(server.http(f"/api/v1/files/{moved['file_id']}/content"))
        assert hashlib.sha256(content.content).digest() == hashlib.sha256(LOG).digest()
        # Firmware.
        uploaded = await asyncio.to_thread(
            rest.post,
            server.http("/api/v1/files?name=box.bin"),
            data=FIRMWARE,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert uploaded.status_code == 201, uploaded.text
        payload = {"location": f"drop:{uploaded.json()['id']}", "retrieveDate": AT}
        answer = await asyncio.to_thread(orders.order, IDENTITY, "UpdateFirmware", payload)
        assert answer.status == 200, answer.body
        assert await asyncio.wait_for(charge_point.downloads.get(), 60) == FIRMWARE
        path = "/api/v1/file-transfers?action=UpdateFirmware"
        assert (await until(rest, server, path, "completed"))["progress"] == "Installed"
        listening.cancel()


@pytest.mark.timeout(180)
def test_certificate_log_and_firmware(
    server: StartServer, database_url: str, tmp_path: Path
) -> None:
    issuer = root()
    for name, text in (("ca.pem", issuer.chain_pem), ("ca.key", issuer.key_pem)):
        (tmp_path / name).write_text(text)
    settings = {
        "OPERATOR_NAME": "Example CPO",
        "CA_CERTIFICATE_FILE": str(tmp_path / "ca.pem"),
        "CA_KEY_FILE": str(tmp_path / "ca.key"),
    }
    pair = start_pair(server, database_url, **settings)
    pair.ordering.flask("charge-point", "add", IDENTITY, "--password", PASSWORD)
    asyncio.run(follow(pair, pair.ordering.api_key("operator"), issuer))
    for each in {pair.holding, pair.ordering}:
        log = each.log_text()
        assert "Traceback" not in log
        assert "/drop/" not in log


def test_an_authority_that_cannot_be_used_stops_the_start(
    server: StartServer, sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(root().chain_pem)
    (tmp_path / "ca.key").write_text("secret words")
    files = {
        "CA_CERTIFICATE_FILE": str(tmp_path / "ca.pem"),
        "CA_KEY_FILE": str(tmp_path / "ca.key"),
    }
    with pytest.raises(AssertionError, match="gunicorn ended") as failed:
        server(sqlite_url, **files)
    assert "cannot be used: The key is not an unencrypted private key" in str(failed.value)
    assert "secret words" not in str(failed.value)
