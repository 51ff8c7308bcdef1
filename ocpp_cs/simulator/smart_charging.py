"""Which charging limit holds when: the profiles installed on one simulated charge point (§3.13).
No clock and no meter; simplified where the specification leaves room: ChargePointMaxProfile is
shared evenly by all connectors.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from ocpp_cs.ocpp16.messages.smart_charging import ClearChargingProfileRequest
from ocpp_cs.ocpp16.times import parse_time
from ocpp_cs.ocpp16.types import ChargingProfile, ChargingSchedule
from ocpp_cs.simulator.charging import MAINS_VOLTAGE
from ocpp_cs.simulator.transaction_queue import Payload

RateUnit = Literal["A", "W"]

_PHASES_BY_DEFAULT = 3
_SCHEDULE_RESOLUTION_S = 60
_LONGEST_SCHEDULE_S = 86_400


@dataclass(frozen=True, slots=True)
class InstalledProfile:
    """A profile and the connector that it was set for; 0 is the whole charge point."""

    connector_id: int
    profile: ChargingProfile


@dataclass(frozen=True, slots=True)
class TransactionTimes:
    """The transaction that a limit is asked for; its id is None while unknown."""

    transaction_id: int | None
    started_at: datetime


class Profiles:
    """All profiles of one charge point with `connectors` connectors."""

    def __init__(self, connectors: int) -> None:
        self._connectors = connectors
        self._installed: list[InstalledProfile] = []

    def install(self, connector_id: int, profile: ChargingProfile) -> None:
        """Add a profile; it replaces one of the same id, or of the same stack level and purpose on
        the same connector (§5.16.3)."""
        self._installed = [
            other
            for other in self._installed
            if other.profile.charging_profile_id != profile.charging_profile_id
            and not (
                other.connector_id == connector_id
                and other.profile.stack_level == profile.stack_level
                and other.profile.charging_profile_purpose == profile.charging_profile_purpose
            )
        ]
        self._installed.append(InstalledProfile(connector_id, profile))

    def clear(self, wanted: ClearChargingProfileRequest) -> bool:
        """Remove what matches (§5.5); False when nothing did."""
        kept = [installed for installed in self._installed if not _matches(installed, wanted)]
        found = len(kept) < len(self._installed)
        self._installed = kept
        return found

    def end_transaction(self, connector_id: int) -> None:
        """A TxProfile dies with its transaction (§3.13.1)."""
        self._installed = [
            installed
            for installed in self._installed
            if installed.connector_id != connector_id
            or installed.profile.charging_profile_purpose != "TxProfile"
        ]

    def limit_w(
        self, connector_id: int, at: datetime, transaction: TransactionTimes | None
    ) -> float | None:
        """The power in W that this connector may draw at `at`; None when nothing limits it."""
        whole = self._highest({"ChargePointMaxProfile"}, {0}, at, transaction)
        own = self._highest({"TxProfile"}, {connector_id}, at, transaction)
        if own is None:
            own = self._highest({"TxDefaultProfile"}, {connector_id}, at, transaction)
        if own is None:
            own = self._highest({"TxDefaultProfile"}, {0}, at, transaction)
        limits = [own, None if whole is None else whole / self._connectors]
        return min((limit for limit in limits if limit is not None), default=None)

    def composite_schedule(
        self,
        connector_id: int,
        at: datetime,
        duration_s: int,
        unit: RateUnit,
        unlimited_w: float,
        transaction: TransactionTimes | None,
    ) -> Payload:
        """The chargingSchedule of GetCompositeSchedule.conf (§5.7), to the minute."""
        periods: list[Payload] = []
        duration = max(min(duration_s, _LONGEST_SCHEDULE_S), 0)
        for start in range(0, max(duration, 1), _SCHEDULE_RESOLUTION_S):
            limit_w = self.limit_w(connector_id, at + timedelta(seconds=start), transaction)
            watts = unlimited_w if limit_w is None else min(limit_w, unlimited_w)
            amperes = watts / MAINS_VOLTAGE / _PHASES_BY_DEFAULT
            limit = round(watts if unit == "W" else amperes, 1)
            if not periods or periods[-1]["limit"] != limit:
                periods.append({"startPeriod": start, "limit": limit})
        return {
            "duration": duration,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }

    def _highest(
        self,
        purposes: set[str],
        connector_ids: set[int],
        at: datetime,
        transaction: TransactionTimes | None,
    ) -> float | None:
        """The limit of the highest stack level that has one now (§3.13.2)."""
        candidates = (
            installed.profile
            for installed in self._installed
            if installed.connector_id in connector_ids
            and installed.profile.charging_profile_purpose in purposes
        )
        return _first_limit(
            sorted(candidates, key=lambda profile: -profile.stack_level), at, transaction
        )


def _first_limit(
    profiles: Iterable[ChargingProfile], at: datetime, transaction: TransactionTimes | None
) -> float | None:
    for profile in profiles:
        limit = _limit_of(profile, at, transaction)
        if limit is not None:
            return limit
    return None


def _limit_of(
    profile: ChargingProfile, at: datetime, transaction: TransactionTimes | None
) -> float | None:
    wanted_id = profile.transaction_id
    if wanted_id is not None and (transaction is None or transaction.transaction_id != wanted_id):
        return None
    if at < _time(profile.valid_from, at) or at > _time(profile.valid_to, at):
        return None
    began = _schedule_start(profile, at, transaction)
    if began is None or began > at:
        return None
    return _limit_after(profile.charging_schedule, (at - began).total_seconds())


def _schedule_start(
    profile: ChargingProfile, at: datetime, transaction: TransactionTimes | None
) -> datetime | None:
    """When the schedule's clock began to run, by kind of profile (§7.9)."""
    start = profile.charging_schedule.start_schedule
    if profile.charging_profile_kind == "Relative" or start is None:
        return None if transaction is None else transaction.started_at
    began = _time(start, at)
    if profile.charging_profile_kind == "Absolute" or began > at:
        return began
    recurrence = timedelta(days=7 if profile.recurrency_kind == "Weekly" else 1)
    return began + (at - began) // recurrence * recurrence


def _limit_after(schedule: ChargingSchedule, elapsed_s: float) -> float | None:
    if schedule.duration is not None and elapsed_s >= schedule.duration:
        return None
    limit: float | None = None
    for period in schedule.charging_schedule_period:
        if period.start_period <= elapsed_s:
            phases = period.number_phases or _PHASES_BY_DEFAULT
            in_w = schedule.charging_rate_unit == "W"
            limit = period.limit if in_w else period.limit * MAINS_VOLTAGE * phases
    return limit


def _matches(installed: InstalledProfile, wanted: ClearChargingProfileRequest) -> bool:
    """An id alone decides; otherwise every property given has to match (§6.13)."""
    profile = installed.profile
    if wanted.id is not None:
        return profile.charging_profile_id == wanted.id
    return (
        wanted.connector_id in (None, installed.connector_id)
        and wanted.charging_profile_purpose in (None, profile.charging_profile_purpose)
        and wanted.stack_level in (None, profile.stack_level)
    )


def _time(text: str | None, default: datetime) -> datetime:
    at = None if text is None else parse_time(text).at
    return default.astimezone(UTC) if at is None else at
