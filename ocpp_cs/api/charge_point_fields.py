"""What a charge point consists of in the API: as it is read, registered and changed.

What becomes of it stands in `charge_points`.
"""

from __future__ import annotations

from ocpp_cs import credentials
from ocpp_cs.api.blueprint import Body
from ocpp_cs.api.fields import Row, Text, Time, Truth, Whole, number_range, text_range
from ocpp_cs.ocpp16.identity import LONGEST_IDENTITY

REGISTRATIONS = ("accepted", "pending", "rejected")

_PROFILES = (0, 3)
_PASSWORD = text_range(credentials.LONGEST_KEY, credentials.SHORTEST_KEY)
_LONGEST_NOTE = 1000
_LONGEST_TIMEOUT_S = 600
_LONGEST_INTERVAL_S = 7 * 24 * 3600


class ChargePoint(Row):
    """A charge point."""

    id = Text("Its OCPP identity, the last part of its connection URL.", "CB-4711")
    vendor = Text("Vendor, from its latest BootNotification.", "ACME", nullable=True)
    model = Text("Model, from its latest BootNotification.", "WALLBOX", nullable=True)
    serial_number = Text(
        "Serial number, from its latest BootNotification: of the charge point, else of its box.",
        "SN-000123",
        nullable=True,
    )
    firmware_version = Text("Firmware, from its latest BootNotification.", "1.4.2", nullable=True)
    registration = Text(
        "Whether it may work here: accepted, pending an operator's decision, or rejected.",
        "accepted",
        choices=REGISTRATIONS,
    )
    security_profile = Whole(
        "OCPP security profile: 0 none, 1 password, 2 password within TLS, 3 client certificate.",
        0,
    )
    online = Truth("Whether it is connected now.", True)
    last_seen_at = Time(
        "When the last sign of life came from it.", "2026-11-22T10:15:00.000Z", nullable=True
    )
    offline_since = Time(
        "Since when it is away; null while it is online, and if it was never here.",
        "2026-11-22T10:16:20.000Z",
        nullable=True,
    )
    connected_at = Time(
        "When its connection, or the last one that it had, began.",
        "2026-11-22T08:00:00.000Z",
        nullable=True,
    )
    connectors_total = Whole("Connectors that it has reported.", 2, unit="connectors")
    note = Text("Free text of the operator.", "car park, level 2", nullable=True)
    call_timeout_s = Whole(
        "How long it may take to answer a command; null: as the setting CALL_TIMEOUT says.",
        30,
        unit="s",
        nullable=True,
    )
    heartbeat_interval_s = Whole(
        "The Heartbeat interval that its next BootNotification is answered with; null: as the "
        "setting HEARTBEAT_INTERVAL says.",
        300,
        unit="s",
        nullable=True,
    )


class ChangedChargePoint(ChargePoint):
    """A charge point, with the password if one was made for it."""

    password = Text(
        "The password that this request made, shown only here; null if it made none.",
        "5a20d5ff7efe5253cf4e6eee0967995c4a217c1c",
        nullable=True,
    )


class NewChargePoint(Body):
    """A charge point to register."""

    id = Text(
        "Its OCPP identity, the last part of its connection URL: no slash, colon or control "
        "character.",
        "CB-4799",
        validate=text_range(LONGEST_IDENTITY),
    )
    password = Text(
        "The password that it shows when it connects, of 16 to 40 bytes. Null or absent: one is "
        "made and shown once in the security profiles 1 and 2, and there is none in the others.",
        "correct-horse-battery",
        nullable=True,
        required=False,
        load_default=None,
        validate=_PASSWORD,
    )
    security_profile = Whole(
        "OCPP security profile: 0 none (whoever knows its id may claim to be it), 1 password, 2 "
        "password within TLS, 3 client certificate.",
        1,
        required=False,
        load_default=1,
        validate=number_range(*_PROFILES),
    )
    note = Text(
        "Free text.",
        "car park, level 2",
        nullable=True,
        required=False,
        load_default=None,
        validate=text_range(_LONGEST_NOTE, 0),
    )


class ChargePointChanges(Body):
    """What is to change of a charge point; what is absent stays as it is."""

    registration = Text(
        "Whether it may work here. A connection learns it within PRESENCE_INTERVAL.",
        "accepted",
        required=False,
        choices=REGISTRATIONS,
    )
    note = Text(
        "Free text; null: none.",
        "car park, level 2",
        nullable=True,
        required=False,
        validate=text_range(_LONGEST_NOTE, 0),
    )
    call_timeout_s = Whole(
        "How long it may take to answer a command; null: as the setting CALL_TIMEOUT says.",
        60,
        unit="s",
        nullable=True,
        required=False,
        validate=number_range(1, _LONGEST_TIMEOUT_S),
    )
    heartbeat_interval_s = Whole(
        "The Heartbeat interval that its next BootNotification is answered with, 0: the charge "
        "point chooses; null: as the setting HEARTBEAT_INTERVAL says.",
        300,
        unit="s",
        nullable=True,
        required=False,
        validate=number_range(0, _LONGEST_INTERVAL_S),
    )
    security_profile = Whole(
        "OCPP security profile, the one asked for at its next connection; one that it used rises "
        "by itself. 0 forgets the password; only an admin lowers it. In 1 and 2 a password must be "
        "there or be given.",
        1,
        required=False,
        validate=number_range(*_PROFILES),
    )
    password = Text(
        "Asked for from its next connection on, in place of the one before; raises security "
        "profile 0 to 1. Null: one is made and shown once, or there is none in profiles 0 and 3.",
        "correct-horse-battery",
        nullable=True,
        required=False,
        validate=_PASSWORD,
    )
