"""What charge points told in the course of time: statuses, security, firmware, diagnostics and
the like, each as a list.

Nothing can be changed here. What of it is odd, the conformance card in `conformance` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint, named_refusals
from ocpp_cs.api.charge_points import demand_charge_point
from ocpp_cs.api.fields import (
    INT32_MAX,
    Row,
    Text,
    Time,
    Truth,
    Whole,
    number_range,
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.db import queries

CERTIFICATE_REQUEST_STATUSES = (
    "pending",
    "invalid",
    "declined",
    "signed",
    "accepted",
    "rejected",
    "failed",
)
SOURCES = ("charge_point", "central_system")
_BY_RECEIPT = (("received_at", "id"), (datetime, int))

blueprint = Blueprint("histories", "Histories: what a charge point told in the course of time.")


def _from(what: str) -> Time:
    return Time(
        f"Only what {what} at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )


def _to(what: str) -> Time:
    return Time(
        f"Only what {what} before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )


def _id() -> Whole:
    return Whole("Number of the row.", 1)


def _received_at() -> Time:
    return Time("When it was received, by our clock.", "2026-11-22T10:15:00.120Z")


class OccurredParameters(ListParameters):
    since = _from("happened")
    until = _to("happened")


class ReceivedParameters(ListParameters):
    since = _from("was received")
    until = _to("was received")


class StatusEvent(Row):
    """A StatusNotification."""

    id = _id()
    connector_id = Whole("The connector; 0: the charge point itself.", 1)
    status = Text("Its status, as in OCPP.", "Charging")
    error_code = Text("Its error, as in OCPP; NoError where there is none.", "NoError")
    info = Text("What the charge point says of the error.", "door open", nullable=True)
    vendor_id = Text("The vendor whose error code it is.", "com.example", nullable=True)
    vendor_error_code = Text("The vendor's own error code.", "E17", nullable=True)
    occurred_at = Time(
        "When it happened, by the charge point's clock; when it was received, if it did not say.",
        "2026-11-22T10:15:00.000Z",
    )
    received_at = _received_at()


class StatusEventParameters(OccurredParameters):
    connector_id = Whole(
        "Only those of this connector; 0: of the charge point itself.",
        1,
        required=False,
        validate=number_range(0, INT32_MAX),
    )
    status = wanted_text("Only those with this status.", "Faulted")


class SecurityEvent(Row):
    """A SecurityEventNotification, or something of the kind that the central system saw."""

    id = _id()
    type = Text("What happened, as the security extension names it.", "TamperDetectionActivated")
    source = Text("Who saw it.", "charge_point", choices=SOURCES)
    critical = Truth("Whether OCPP calls events of the type critical.", True)
    tech_info = Text("What else was told; may be empty.", "lid sensor 2")
    occurred_at = Time("When it happened, by the clock of who saw it.", "2026-11-22T10:15:00.000Z")
    received_at = _received_at()


class SecurityEventParameters(OccurredParameters):
    type = wanted_text("Only those of this type.", "TamperDetectionActivated")
    critical = Truth("Only those that are, or are not, critical.", True, required=False)
    source = Text("Only those that this one saw.", "charge_point", required=False, choices=SOURCES)


class FirmwareEvent(Row):
    """A FirmwareStatusNotification or SignedFirmwareStatusNotification."""

    id = _id()
    status = Text("How far the update is, as in OCPP.", "Installed")
    request_id = Whole("Of the SignedUpdateFirmware that it is about.", 17, nullable=True)
    signed = Truth("Whether it is a SignedFirmwareStatusNotification.", False)
    received_at = _received_at()


class FirmwareEventParameters(ReceivedParameters):
    status = wanted_text("Only those with this status.", "InstallationFailed")
    signed = Truth("Only those that are, or are not, of signed updates.", True, required=False)


class DiagnosticsEvent(Row):
    """A DiagnosticsStatusNotification or LogStatusNotification."""

    id = _id()
    status = Text("How far the upload is, as in OCPP.", "Uploaded")
    request_id = Whole("Of the GetLog that it is about.", 17, nullable=True)
    log = Truth("Whether it is a LogStatusNotification.", False)
    received_at = _received_at()


class DiagnosticsEventParameters(ReceivedParameters):
    status = wanted_text("Only those with this status.", "UploadFailed")
    log = Truth("Only those that are, or are not, of a GetLog.", True, required=False)


class DataTransfer(Row):
    """A DataTransfer from the charge point, and what it was answered."""

    id = _id()
    vendor_id = Text("The vendor whose message it is.", "com.example")
    vendor_message_id = Text("Which message of the vendor.", "Telemetry", nullable=True)
    data = Text("What it says, as it came.", '{"temperature":21}', nullable=True)
    answer_status = Text("The answer.", "UnknownVendorId")
    answer_data = Text("What the answer says.", "ok", nullable=True)
    received_at = _received_at()


class DataTransferParameters(ReceivedParameters):
    vendor_id = wanted_text("Only those of this vendor.", "com.example")
    answer_status = wanted_text("Only those that were answered so.", "UnknownVendorId")


class CertificateRequest(Row):
    """A SignCertificate: a request for a certificate, and what became of it."""

    id = _id()
    csr = Text("The certificate signing request, in PEM.", "-----BEGIN CERTIFICATE REQUEST-----")
    status = Text(
        "pending until somebody signs it; invalid: refused at once; declined by an operator; "
        "signed: on its way; accepted or rejected by the charge point; failed: not delivered.",
        "pending",
        choices=CERTIFICATE_REQUEST_STATUSES,
    )
    reason = Text("Why it is not accepted.", "Its RSA key is too short.", nullable=True)
    received_at = _received_at()


class CertificateRequestParameters(ReceivedParameters):
    status = Text(
        "Only those of this status.",
        "pending",
        required=False,
        choices=CERTIFICATE_REQUEST_STATUSES,
    )


@dataclass(frozen=True, slots=True)
class History:
    """A list that each charge point has: `read(charge_point_id, wanted(...), after, limit)`."""

    listing: Listing
    wanted: type[queries.HistoryFilter]
    read: Callable[..., Any]


HISTORIES: dict[str, History] = {}


def _route(
    name: str,
    what: str,
    row: type[Row],
    parameters: type[ListParameters],
    wanted: type[queries.HistoryFilter],
    read: Callable[..., Any],
) -> None:
    """A list below the charge point: `GET /charge-points/{id}/<name>`."""
    listing = Listing(name, row, *_BY_RECEIPT)
    HISTORIES[name] = History(listing, wanted, read)

    def get(_: MethodView, parameters: dict[str, Any], charge_point_id: str) -> Response:
        demand_charge_point(charge_point_id)
        chosen = filter_of(wanted, parameters)
        return answer(listing, parameters, partial(read, charge_point_id, chosen))

    get.__doc__ = f"List the {what} of a charge point.\n\nThe last received first."
    operation = f"list_{name.replace('-', '_')}"
    view = listing.view(blueprint, parameters, operation)(
        blueprint.doc(responses=named_refusals((404,)))(get)
    )
    title = "".join(part.capitalize() for part in name.split("-"))
    resource = type(title, (MethodView,), {"get": view})
    blueprint.route(f"/charge-points/<charge_point_id>/{name}")(resource)


_route(
    "status-events",
    "statuses",
    StatusEvent,
    StatusEventParameters,
    queries.StatusEventFilter,
    queries.status_events,
)
_route(
    "security-events",
    "security events",
    SecurityEvent,
    SecurityEventParameters,
    queries.SecurityEventFilter,
    queries.security_events,
)
_route(
    "firmware-events",
    "notices about firmware",
    FirmwareEvent,
    FirmwareEventParameters,
    queries.FirmwareEventFilter,
    queries.firmware_events,
)
_route(
    "diagnostics-events",
    "notices about diagnostics and logs",
    DiagnosticsEvent,
    DiagnosticsEventParameters,
    queries.DiagnosticsEventFilter,
    queries.diagnostics_events,
)
_route(
    "data-transfers",
    "data transfers",
    DataTransfer,
    DataTransferParameters,
    queries.DataTransferFilter,
    queries.data_transfers,
)
_route(
    "certificate-requests",
    "certificate requests",
    CertificateRequest,
    CertificateRequestParameters,
    queries.CertificateRequestFilter,
    queries.certificate_requests,
)
