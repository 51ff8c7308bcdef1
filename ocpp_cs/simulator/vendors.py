"""The makes of charge point that the fleet is made of, as data: what each one is and how it talks.
Not behaviour: nothing here sends, measures or decides; other modules read these traits.

The names are invented. The habits that break the specification are named in `Deviation`, so that a
test can tell them from a mistake of ours.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

Site = Literal["home", "workplace", "public", "motorway"]
TimeStyle = Literal["milliseconds", "microseconds", "seconds", "offset", "naive"]
StopData = Literal["none", "begin_end", "sampled", "clock_aligned"]

CORE = "Core"
EVERY_PROFILE = frozenset(
    {
        CORE,
        "FirmwareManagement",
        "LocalAuthListManagement",
        "Reservation",
        "SmartCharging",
        "RemoteTrigger",
    }
)


class Deviation(Enum):
    """A deliberate breach of OCPP 1.6 that a central system has to live with."""

    NAIVE_TIME = "times without offset (R24)"
    EXTRA_PROPERTY = "properties that the schemas do not know (R41)"
    NUMBER_FOR_TEXT = "sampledValue.value as a number instead of a string (R35)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One make and model. Current in A per phase, power in W per connector, times in minutes."""

    name: str
    model: str
    firmware_version: str
    site: Site
    connectors: int
    direct_current: bool = False
    phases: int = 3
    max_current_a: int = 16
    max_power_w: int = 11_040
    fixed_cable: bool = False
    profiles: frozenset[str] = EVERY_PROFILE
    # How it talks
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    time_style: TimeStyle = "milliseconds"
    counts_message_ids: bool = False
    new_message_id_on_retry: bool = False
    # What it measures and tells
    energy_unit: Literal["Wh", "kWh"] = "Wh"
    power_unit: Literal["W", "kW"] = "W"
    spells_defaults: bool = True
    stop_data: StopData = "none"
    sends_finishing: bool = True
    # How it goes offline
    outages_factor: float = 1.0
    mean_outage_minutes: float = 20.0
    says_goodbye: bool = False
    reboots_after_outage: bool = False
    deviations: frozenset[Deviation] = frozenset()


VENDORS: tuple[Vendor, ...] = (
    Vendor(
        name="Nordlicht",
        model="Wallbox 11",
        firmware_version="4.2.1",
        site="workplace",
        connectors=1,
        fixed_cable=True,
        stop_data="begin_end",
    ),
    Vendor(
        name="Voltaire",
        model="Duo 22",
        firmware_version="2024.11",
        site="public",
        connectors=2,
        max_current_a=32,
        max_power_w=22_080,
        time_style="offset",
        new_message_id_on_retry=True,
        energy_unit="kWh",
        power_unit="kW",
        mean_outage_minutes=45.0,
        says_goodbye=True,
    ),
    Vendor(
        name="Ampertal",
        model="Kiosk Mono",
        firmware_version="1.09b",
        site="public",
        connectors=2,
        phases=1,
        max_current_a=32,
        max_power_w=7_360,
        profiles=frozenset({CORE, "RemoteTrigger"}),
        subprotocols=("ocpp1.5", "ocpp1.6"),
        time_style="naive",
        counts_message_ids=True,
        spells_defaults=False,
        stop_data="sampled",
        sends_finishing=False,
        outages_factor=2.0,
        mean_outage_minutes=8.0,
        deviations=frozenset({Deviation.NAIVE_TIME}),
    ),
    Vendor(
        name="Blitzwerk",
        model="DC 150 Twin",
        firmware_version="7.0.3-rc2",
        site="motorway",
        connectors=2,
        direct_current=True,
        phases=3,
        max_current_a=400,
        max_power_w=150_000,
        fixed_cable=True,
        time_style="microseconds",
        stop_data="clock_aligned",
        outages_factor=0.5,
        reboots_after_outage=True,
        deviations=frozenset({Deviation.EXTRA_PROPERTY}),
    ),
    Vendor(
        name="Kaspari",
        model="Home 7",
        firmware_version="R3",
        site="home",
        connectors=1,
        phases=1,
        max_current_a=32,
        max_power_w=7_360,
        profiles=frozenset({CORE, "SmartCharging", "RemoteTrigger"}),
        subprotocols=(),
        time_style="seconds",
        new_message_id_on_retry=True,
        power_unit="kW",
        outages_factor=1.5,
        mean_outage_minutes=120.0,
        reboots_after_outage=True,
        deviations=frozenset({Deviation.NUMBER_FOR_TEXT}),
    ),
)


def vendor_of(index: int) -> Vendor:
    """The make of the fleet's charge point number `index` (from 0); independent of any seed, so
    that a charge point keeps its make from one run to the next."""
    return VENDORS[index % len(VENDORS)]
