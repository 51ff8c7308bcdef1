"""The shared vocabulary of the messages: constrained texts and numbers, enumerations, parts.

No message stands here, and nothing is read more tolerantly than the official schemas allow:
that is `tolerance`.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias, TypeVar

from msgspec import Meta, Struct

T = TypeVar("T")

if TYPE_CHECKING:
    Maybe: TypeAlias = T | None
else:

    class Maybe:
        """An optional property: None when absent, but an explicit JSON null is refused.

        The schemas give optional properties one type, and null is not of it. msgspec does not
        validate defaults, so the decoder sees `X` where the type checker sees `X | None`.
        """

        def __class_getitem__(cls, item):
            return item


class Deviation(NamedTuple):
    """One way in which a frame that was read breaks the rules: a line of a conformance card.

    `code` is stable, snake_case and the same for every charge point (the codes stand in
    `tolerance` and `frames`); `detail` is the property's path, at most 80 characters.
    """

    code: str
    detail: str


# --- Texts and numbers (§7, limits as in the schemas) -------------------------------------------

Text20 = Annotated[str, Meta(max_length=20)]
Text25 = Annotated[str, Meta(max_length=25)]
Text40 = Annotated[str, Meta(max_length=40)]
Text50 = Annotated[str, Meta(max_length=50)]
Text128 = Annotated[str, Meta(max_length=128)]
Text255 = Annotated[str, Meta(max_length=255)]
Text500 = Annotated[str, Meta(max_length=500)]
Text512 = Annotated[str, Meta(max_length=512)]
Text800 = Annotated[str, Meta(max_length=800)]
Text5500 = Annotated[str, Meta(max_length=5500)]
Text10000 = Annotated[str, Meta(max_length=10000)]
CiString20 = Text20
CiString25 = Text25
CiString50 = Text50
CiString255 = Text255
CiString500 = Text500
IdToken = CiString20
"""An id tag: at most 20 characters, compared without case (§7.28, R34)."""

DateTime = str
"""A date-time as it came; `times.parse_time` reads it (R24)."""

Integer = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""An integer of 32 bits. The schemas name no bounds; without any, JSON allows endless numbers."""

MeterReading = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""Wh of a meter register. Big DC meters count past 2^31, so 64 bits are read."""

# --- Enumerations -------------------------------------------------------------------------------

AuthorizationStatus = Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]
ChargingProfileKind = Literal["Absolute", "Recurring", "Relative"]
ChargingProfilePurpose = Literal["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
ChargingRateUnit = Literal["A", "W"]
RecurrencyKind = Literal["Daily", "Weekly"]
Location = Literal["Cable", "EV", "Inlet", "Outlet", "Body"]
Phase = Literal["L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"]
ReadingContext = Literal[
    "Interruption.Begin",
    "Interruption.End",
    "Sample.Clock",
    "Sample.Periodic",
    "Transaction.Begin",
    "Transaction.End",
    "Trigger",
    "Other",
]
ValueFormat = Literal["Raw", "SignedData"]
Measurand = Literal[
    "Energy.Active.Export.Register",
    "Energy.Active.Import.Register",
    "Energy.Reactive.Export.Register",
    "Energy.Reactive.Import.Register",
    "Energy.Active.Export.Interval",
    "Energy.Active.Import.Interval",
    "Energy.Reactive.Export.Interval",
    "Energy.Reactive.Import.Interval",
    "Power.Active.Export",
    "Power.Active.Import",
    "Power.Offered",
    "Power.Reactive.Export",
    "Power.Reactive.Import",
    "Power.Factor",
    "Current.Import",
    "Current.Export",
    "Current.Offered",
    "Voltage",
    "Frequency",
    "Temperature",
    "SoC",
    "RPM",
]
# One list for MeterValues and StopTransaction, with both spellings of Celsius (R36, J-err 2.1).
# Hertz is missing from the StopTransaction schema only; Frequency may be sampled there as well.
UnitOfMeasure = Literal[
    "Wh",
    "kWh",
    "varh",
    "kvarh",
    "W",
    "kW",
    "VA",
    "kVA",
    "var",
    "kvar",
    "A",
    "V",
    "K",
    "Celcius",
    "Celsius",
    "Fahrenheit",
    "Percent",
    "Hertz",
]

# --- Checks that a type alone cannot state --------------------------------------------------------

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


def require_date_time(name: str, text: str | None) -> None:
    """Raise ValueError unless `text` is None or an RFC 3339 date-time.

    For date-times that the central system sends: about those we are strict. A leap second
    (`:60`) is refused too, since many charge points cannot read it.
    """
    if text is None:
        return
    try:
        if _RFC_3339.fullmatch(text):
            datetime.fromisoformat(text)
            return
    except ValueError:
        pass
    raise ValueError(f"Expected an RFC 3339 date-time in `{name}`")


def require_one_decimal(name: str, number: float | None) -> None:
    """Raise ValueError unless `number` is None or a multiple of 0.1 (§7.13, §7.14).

    Rounding compares the shortest decimal texts, so 21.4 passes and 21.45 does not; a division
    by 0.1, which msgspec's `multiple_of` does, refuses 21.4.
    """
    if number is not None and not (math.isfinite(number) and round(number, 1) == number):
        raise ValueError(f"Expected at most one decimal in `{name}`")


# --- Parts of messages ----------------------------------------------------------------------------


class Part(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    # Frozen values decoded from JSON hold no cycles: the garbage collector may skip them.
    gc=False,
):
    """What every message and every object inside a message has in common."""


class IdTagInfo(Part, frozen=True, kw_only=True):
    """The verdict on an id tag (§7.27)."""

    status: AuthorizationStatus
    expiry_date: Maybe[DateTime] = None
    parent_id_tag: Maybe[IdToken] = None


class SampledValue(Part, frozen=True, kw_only=True):
    """One measured value; absent properties have the defaults of §7.43, filled at reading (R35)."""

    value: str
    context: Maybe[ReadingContext] = None
    format: Maybe[ValueFormat] = None
    measurand: Maybe[Measurand] = None
    phase: Maybe[Phase] = None
    location: Maybe[Location] = None
    unit: Maybe[UnitOfMeasure] = None


class MeterValue(Part, frozen=True, kw_only=True):
    """Values sampled at one moment (§7.33)."""

    timestamp: DateTime
    sampled_value: Annotated[tuple[SampledValue, ...], Meta(min_length=1)]


class TransactionMeterValue(MeterValue, frozen=True, kw_only=True):
    """A MeterValue in StopTransaction.transactionData, whose schema allows an empty list."""

    sampled_value: tuple[SampledValue, ...]


class ChargingSchedulePeriod(Part, frozen=True, kw_only=True):
    """A limit from `start_period` seconds after the start of the schedule on (§7.14)."""

    start_period: Integer
    limit: float
    number_phases: Maybe[Integer] = None

    def __post_init__(self) -> None:
        require_one_decimal("limit", self.limit)


class ChargingSchedule(Part, frozen=True, kw_only=True):
    """Limits over time, in A or W; `duration` in seconds (§7.13)."""

    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: tuple[ChargingSchedulePeriod, ...]
    duration: Maybe[Integer] = None
    start_schedule: Maybe[DateTime] = None
    min_charging_rate: Maybe[float] = None

    def __post_init__(self) -> None:
        require_one_decimal("minChargingRate", self.min_charging_rate)


class ChargingProfile(Part, frozen=True, kw_only=True):
    """A charging profile; only the central system sends one (§7.8)."""

    charging_profile_id: Integer
    stack_level: Integer
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: ChargingSchedule
    transaction_id: Maybe[Integer] = None
    recurrency_kind: Maybe[RecurrencyKind] = None
    valid_from: Maybe[DateTime] = None
    valid_to: Maybe[DateTime] = None

    def __post_init__(self) -> None:
        require_date_time("validFrom", self.valid_from)
        require_date_time("validTo", self.valid_to)
        # Checked here and not in ChargingSchedule, which charge points send as well
        # (GetCompositeSchedule.conf): from them we read any date-time.
        require_date_time("startSchedule", self.charging_schedule.start_schedule)
