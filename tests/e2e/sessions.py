"""Many short sessions of simulated charge points, as fast as the central system answers.

The payloads and the socket are the simulator's; the days are so compact as no fleet's would be.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from ocpp_cs.ocpp16.errors import CallError, CallErrorCode
from ocpp_cs.simulator import payloads
from ocpp_cs.simulator.charging import Charging
from ocpp_cs.simulator.day import make_visit, register_at
from ocpp_cs.simulator.delivery import MessageIds
from ocpp_cs.simulator.fleet import FleetOptions, allow_sockets
from ocpp_cs.simulator.link import Answer, Link, open_link
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.transaction_queue import Payload
from ocpp_cs.simulator.vendors import Vendor, vendor_of

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_PAUSE = timedelta(minutes=7)
# Each has some four to nine values: all in all some twenty per session.
_READINGS = 4


def charge(url: str, charge_points: int, sessions: int) -> None:
    """Each charge point charges so many times, one session after the other."""
    options = FleetOptions(url=url, charge_points=charge_points, timeout_s=120.0)
    allow_sockets(charge_points)
    asyncio.run(_charge(options, sessions))


async def _charge(options: FleetOptions, sessions: int) -> None:
    async with asyncio.TaskGroup() as group:
        for index in range(options.charge_points):
            group.create_task(_live(options, index, sessions))


async def _live(options: FleetOptions, index: int, sessions: int) -> None:
    address, vendor = options.address(index), vendor_of(index)
    rng, new_id, now = Random(f"{options.seed}/{index}"), MessageIds(), BEGIN
    link = await open_link(address, _refuse, Statistics())
    boot = payloads.boot_notification(vendor, address.identity)
    assert (await link.call("BootNotification", boot, new_id()))["status"] == "Accepted"
    register = register_at(rng, vendor, now)
    for _ in range(sessions):
        now += _PAUSE
        visit = make_visit(rng, vendor, address.identity, 1, now)
        charging = Charging(visit, vendor, register, now, rng)
        now = await _session(link, vendor, visit.id_tag, charging, new_id, rng, now)
        register = charging.register_wh
    await link.close()


async def _session(
    link: Link,
    vendor: Vendor,
    id_tag: str,
    charging: Charging,
    new_id: MessageIds,
    rng: Random,
    now: datetime,
) -> datetime:
    """A start, a message with all readings, a stop; the time at which it ended."""
    start = payloads.start_transaction(vendor, 1, id_tag, int(charging.register_wh), now)
    transaction = (await link.call("StartTransaction", start, new_id()))["transactionId"]
    values: list[Any] = []
    for _ in range(_READINGS):
        now += timedelta(seconds=rng.randrange(60, 240))
        charging.advance(now)
        reading: dict[str, Any] = dict(payloads.meter_values(vendor, 1, charging.reading()))
        values += reading["meterValue"]
    request: Payload = {"connectorId": 1, "transactionId": transaction, "meterValue": values}
    await link.call("MeterValues", request, new_id())
    now += timedelta(seconds=30)
    charging.advance(now)
    stop = payloads.stop_transaction(
        vendor, int(charging.register_wh), now, id_tag=id_tag, reason="EVDisconnected"
    )
    await link.call("StopTransaction", {**stop, "transactionId": transaction}, new_id())
    return now


def _refuse(action: str, payload: Payload) -> Answer:
    """These charge points take no orders."""
    raise CallError(CallErrorCode.NOT_SUPPORTED, f"{action} is not supported here")
