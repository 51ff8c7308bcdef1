"""One connector of a simulated charge point: car, transaction, meter, and the status that follows.
No socket, no clock, no queue: it is told what happens when, and returns what is to be reported.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from ocpp_cs.simulator import payloads
from ocpp_cs.simulator.charging import Charging, Reading, idle_reading
from ocpp_cs.simulator.configuration import Configuration
from ocpp_cs.simulator.day import Visit
from ocpp_cs.simulator.transaction_queue import LocalTransaction, Payload
from ocpp_cs.simulator.vendors import Vendor

Readings = list[tuple[str, Reading]]


@dataclass(frozen=True, slots=True)
class Reservation:
    """What ReserveNow left here (§5.13)."""

    reservation_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime


@dataclass(slots=True)
class Session:
    """A running transaction."""

    visit: Visit
    charging: Charging
    meter_start_wh: int
    transaction: LocalTransaction = field(default_factory=LocalTransaction)
    readings: Readings = field(default_factory=list)
    next_aligned: datetime | None = None
    # The central system refused the id tag after the start (§4.8).
    deauthorised: bool = False


class Connector:
    """State of one connector; `status` is always derived from the rest by `settle`."""

    def __init__(
        self, vendor: Vendor, connector_id: int, register_wh: float, at: datetime, rng: Random
    ) -> None:
        self._vendor = vendor
        self._rng = rng
        self.connector_id = connector_id
        self.register_wh = register_wh
        self.operative = True
        self.reservation: Reservation | None = None
        self.visit: Visit | None = None
        self.session: Session | None = None
        self._served = False
        self.status = "Available"
        self.status_since = at
        # What the central system was last told, None before the first time.
        self.told_status: str | None = None

    @property
    def free(self) -> bool:
        """Nobody is here and somebody may come, reservations apart."""
        return self.visit is None and self.operative

    def plug_in(self, visit: Visit) -> None:
        """A car arrives."""
        self.visit = visit
        self._served = False

    def unplug(self) -> None:
        """The car leaves; its transaction has ended before."""
        self.visit = None
        self._served = False

    def begin(
        self, visit: Visit, at: datetime, configuration: Configuration
    ) -> tuple[Session, Payload]:
        """Start the transaction; returns it and StartTransaction.req. Ends the reservation."""
        charging = Charging(visit, self._vendor, self.register_wh, at, self._rng)
        session = Session(visit, charging, int(self.register_wh))
        interval = configuration.seconds("ClockAlignedDataInterval")
        if interval and configuration.measurands("StopTxnAlignedData"):
            session.next_aligned = _next_aligned(at, interval)
        session.readings.append(("Transaction.Begin", charging.reading()))
        self.session = session
        reservation, self.reservation = self.reservation, None
        request = payloads.start_transaction(
            self._vendor,
            self.connector_id,
            visit.id_tag,
            session.meter_start_wh,
            at,
            reservation.reservation_id if reservation else None,
        )
        return session, request

    def advance(self, at: datetime, configuration: Configuration) -> None:
        """Let the car charge until `at`, with the readings due at even times (§3.16.2)."""
        session = self.session
        if session is None:
            return
        interval = timedelta(seconds=configuration.seconds("ClockAlignedDataInterval"))
        while interval and session.next_aligned is not None and session.next_aligned <= at:
            session.charging.advance(session.next_aligned)
            session.readings.append(("Sample.Clock", session.charging.reading()))
            session.next_aligned += interval
        session.charging.advance(at)
        self.register_wh = session.charging.register_wh

    def sample(self, at: datetime, configuration: Configuration) -> Payload | None:
        """Take a periodic sample; returns MeterValues.req, or None when none is configured."""
        self.advance(at, configuration)
        reading = self.reading(at)
        if (
            self.session is not None
            and self._vendor.stop_data == "sampled"
            and configuration.measurands("StopTxnSampledData")
        ):
            self.session.readings.append(("Sample.Periodic", reading))
        measurands = configuration.measurands("MeterValuesSampledData")
        if not measurands:
            return None
        return payloads.meter_values(self._vendor, self.connector_id, reading, measurands)

    def reading(self, at: datetime) -> Reading:
        """What the meter shows; call `advance` first."""
        if self.session is not None:
            return self.session.charging.reading()
        return idle_reading(self._vendor, self.register_wh, at, self._rng)

    def end(
        self,
        at: datetime,
        configuration: Configuration,
        *,
        reason: str | None,
        id_tag: str | None = None,
    ) -> Payload:
        """Stop the running transaction; returns StopTransaction.req."""
        self.advance(at, configuration)
        session = self.session
        if session is None:
            raise ValueError("no transaction is running on this connector")
        session.readings.append(("Transaction.End", session.charging.reading()))
        self.session = None
        self._served = True
        wanted = configuration.measurands("StopTxnSampledData") or session.next_aligned
        return payloads.stop_transaction(
            self._vendor,
            int(self.register_wh),
            at,
            id_tag=id_tag,
            reason=reason,
            readings=session.readings if wanted else (),
        )

    def settle(self, at: datetime) -> None:
        """Derive the status anew (§4.9); `status_since` tells when it last changed."""
        status = self._status()
        if status != self.status:
            self.status, self.status_since = status, at

    def _status(self) -> str:
        if self.session is not None:
            return _charging_status(self.session.charging)
        if self.visit is not None and not self._served:
            return "Preparing"
        if self.visit is not None and self._vendor.sends_finishing:
            return "Finishing"
        if not self.operative:
            return "Unavailable"
        return "Available" if self.reservation is None else "Reserved"


def _charging_status(charging: Charging) -> str:
    """If both suspend, the charge point's own reason comes first (§4.9)."""
    if charging.at == charging.began_at or not charging.idle:
        return "Charging"
    held_back = charging.limit_w is not None and not charging.full
    return "SuspendedEVSE" if held_back else "SuspendedEV"


def _next_aligned(at: datetime, interval_s: int) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    elapsed = int((at - midnight).total_seconds())
    return midnight + timedelta(seconds=(elapsed // interval_s + 1) * interval_s)
