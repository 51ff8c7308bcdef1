"""`/certificate-requests` and `/certificates`: who asks for one, and what charge points hold (W9).

An authority elsewhere signs what is taken from here and brought back, unless the operator has one
of its own. What becomes of a certificate after that, `commands.certificates` keeps track of.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, abort
from flask.views import MethodView

from ocpp_cs import x509
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, Parameters, named_refusals, request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import Row, Text, Time, Whole, text_range, wanted_text
from ocpp_cs.api.histories import CERTIFICATE_REQUEST_STATUSES
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.options import current_options
from ocpp_cs.api.ordering import ordered
from ocpp_cs.api.problems import fields_problem, refuse
from ocpp_cs.commands import certificate_requests, held_certificates
from ocpp_cs.db import queries
from ocpp_cs.db.offload import offload

TYPES = (held_certificates.OWN, "CentralSystemRootCertificate", "ManufacturerRootCertificate")
RENEWALS = ("requested", "accepted", "failed")
_PEM = "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"
_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM_FILE = "application/x-pem-file"
_LONGEST_PEM = 40_000  # before it is tidied up

blueprint = Blueprint(
    "certificates", "Certificates: requests of charge points, and what each of them holds."
)


class AnyCertificateRequest(Row):
    """A request of a charge point for a certificate of its own."""

    id = Whole("The request's id.", 5)
    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711", nullable=True)
    status = Text(
        "pending until somebody signs it; invalid: refused at once; declined by an operator; "
        "signed: on its way; accepted or rejected by the charge point; failed: not delivered.",
        "accepted",
        choices=CERTIFICATE_REQUEST_STATUSES,
    )
    reason = Text("Why it is invalid, declined, rejected or failed.", "Not ours.", nullable=True)
    csr = Text("The certificate signing request, in PEM.", "-----BEGIN CERTIFICATE REQUEST-----")
    certificate_chain = Text(
        "The certificate and those above it, in PEM, once it is signed.",
        _PEM_BEGIN,
        nullable=True,
    )
    command_id = Whole("The latest CertificateSigned.", 17, nullable=True)
    decided_by = Text("Who signed or declined it.", "certificate authority", nullable=True)
    received_at = Time("When it was received.", "2026-11-22T10:00:00.000Z")
    updated_at = Time("When its status changed.", "2026-11-22T10:00:01.000Z", nullable=True)


class CertificateRequestParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    status = Text(
        "Only those of this status.",
        "pending",
        required=False,
        choices=CERTIFICATE_REQUEST_STATUSES,
    )
    since = Time(
        "Only those received at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only those received before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )


class SignedChain(Body):
    """What an authority has made of a request."""

    certificate_chain = Text(
        "The certificate for the charge point, then each one that has signed the one before it, in "
        "PEM. Null: our own authority signs it, if there is one.",
        _PEM,
        nullable=True,
        validate=text_range(_LONGEST_PEM),
    )


class Decline(Body):
    """Why a request is declined."""

    reason = Text("Why.", "This charge point is being returned.", validate=text_range())


class Certificate(Row):
    """A certificate that a charge point holds, as it said or accepted last."""

    id = Whole("Number of the row.", 1)
    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711", nullable=True)
    certificate_type = Text(
        "ChargePointCertificate is the one that it shows; the others are roots that it trusts.",
        "CentralSystemRootCertificate",
        choices=TYPES,
    )
    subject = Text(
        "Whose it is. Null, as all that it says, where it was not sent from here.",
        "CN=Example root,O=Example",
        nullable=True,
    )
    issuer = Text("Who signed it.", "CN=Example root,O=Example", nullable=True)
    serial_number = Text("Its serial number, hexadecimal.", "1a2b3c")
    not_before = Time("From when it is valid.", "2026-01-01T00:00:00.000Z", nullable=True)
    not_after = Time("Until when it is valid.", "2036-01-01T00:00:00.000Z", nullable=True)
    hash_algorithm = Text("How the hashes are made.", "SHA256")
    issuer_name_hash = Text("Hash of the issuer's name, hexadecimal.", "9f86d081884c7d65")
    issuer_key_hash = Text("Hash of the issuer's key.", "9f86d081884c7d65", nullable=True)
    certificate = Text("The certificate in PEM.", _PEM_BEGIN, nullable=True)
    installed_at = Time(
        "When the charge point accepted it.", "2026-11-22T10:00:00.000Z", nullable=True
    )
    reported_at = Time(
        "When the charge point named it last.", "2026-11-22T10:00:00.000Z", nullable=True
    )
    renewal_status = Text(
        "Once a new one is wanted: requested, accepted by the charge point, or failed, which is "
        "for you to look at.",
        "accepted",
        nullable=True,
        choices=RENEWALS,
    )
    renewal_reason = Text("Why the renewal failed.", "It is offline.", nullable=True)
    renewal_at = Time("When a new one was asked for.", "2026-11-22T10:00:00.000Z", nullable=True)


class CertificateParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    certificate_type = Text(
        "Only those of this type.",
        "CentralSystemRootCertificate",
        required=False,
        choices=TYPES,
    )
    expires_before = Time(
        "Only those that are not valid any more at this time.",
        "2037-01-01T00:00:00Z",
        required=False,
    )
    renewal_status = Text(
        "Only those whose renewal is there.", "failed", required=False, choices=RENEWALS
    )


REQUESTS = Listing("certificate-requests", AnyCertificateRequest, ("id",), (int,))
CERTIFICATES = Listing("certificates", Certificate, ("id",), (int,))


@blueprint.route("/certificate-requests")
class CertificateRequests(MethodView):
    @REQUESTS.view(blueprint, CertificateRequestParameters, "list_all_certificate_requests")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the certificate requests of all charge points.

        The newest first.
        """
        wanted = filter_of(queries.OwnedCertificateRequestFilter, parameters)
        return answer(REQUESTS, parameters, partial(queries.owned_certificate_requests, wanted))


@blueprint.route("/certificate-requests/<certificate_request_id>")
class OneCertificateRequest(MethodView):
    @blueprint.item(AnyCertificateRequest, "get_certificate_request")
    def get(self, certificate_request_id: int) -> queries.OwnedCertificateRequestRow:
        """Get a certificate request."""
        return _found(certificate_request_id)


@blueprint.route("/certificate-requests/<certificate_request_id>/csr")
class CertificateSigningRequest(MethodView):
    @blueprint.doc(
        operationId="get_certificate_signing_request",
        responses={
            200: {
                "description": "The request.",
                "content": {_PEM_FILE: {"schema": {"type": "string"}}},
            },
            **named_refusals((404,)),
        },
    )
    @blueprint.arguments(Parameters(), location="query", as_kwargs=True)
    def get(self, certificate_request_id: int) -> Response:
        """Download a certificate signing request.

        In PEM, for the authority that is to sign it.
        """
        found = _found(certificate_request_id)
        response = Response(found.csr, mimetype=_PEM_FILE)
        name = f"certificate-request-{found.id}.pem"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


@blueprint.route("/certificate-requests/<certificate_request_id>/sign")
class SignedCertificateRequest(MethodView):
    @blueprint.item(AnyCertificateRequest, "sign_certificate_request", refusals=(404, 409))
    @blueprint.body(SignedChain)
    def post(self, wish: dict[str, Any], certificate_request_id: int) -> Any:
        """Give a certificate request its certificate.

        It is checked against the request, and sent to the charge point with CertificateSigned as
        soon as that is there, within a day. What comes of it, the request's status says.
        """
        found, now = _found(certificate_request_id), request_time()
        if found.status != "pending":
            text = f"Certificate request {found.id} is {found.status}."
            refuse(409, text, code="not_pending")
        chain = _chain(found.csr, wish["certificate_chain"], now)
        actor = current_actor()
        ordered(
            lambda tx: certificate_requests.sign(tx, found.id, chain, actor=actor, now=now),
            charge_point=found.charge_point_id or "",
        )
        return _found(found.id)


@blueprint.route("/certificate-requests/<certificate_request_id>/decline")
class DeclinedCertificateRequest(MethodView):
    @blueprint.item(AnyCertificateRequest, "decline_certificate_request", refusals=(404, 409))
    @blueprint.body(Decline)
    def post(self, wish: dict[str, Any], certificate_request_id: int) -> Any:
        """Decline a certificate request.

        The charge point is not told: OCPP has no message for that. It asks again, or not.
        """
        found = _found(certificate_request_id)
        actor, now, reason = current_actor(), request_time(), wish["reason"]
        ordered(
            lambda tx: certificate_requests.decline(tx, found.id, reason, actor=actor, now=now),
            charge_point=found.charge_point_id or "",
        )
        return _found(found.id)


@blueprint.route("/certificate-requests/<certificate_request_id>/send")
class SentCertificateRequest(MethodView):
    @blueprint.item(AnyCertificateRequest, "send_certificate_again", refusals=(404, 409))
    def post(self, certificate_request_id: int) -> Any:
        """Send a certificate again.

        One that did not arrive, or that the charge point has rejected.
        """
        found = _found(certificate_request_id)
        actor, now = current_actor(), request_time()
        ordered(
            lambda tx: certificate_requests.send_again(tx, found.id, actor=actor, now=now),
            charge_point=found.charge_point_id or "",
        )
        return _found(found.id)


@blueprint.route("/certificates")
class Certificates(MethodView):
    @CERTIFICATES.view(blueprint, CertificateParameters, "list_certificates")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the certificates that charge points hold.

        As each of them said or accepted last; GetInstalledCertificateIds asks it again.
        """
        wanted = filter_of(queries.CertificateFilter, parameters)
        return answer(CERTIFICATES, parameters, partial(queries.certificates, wanted))


def _found(id: int) -> queries.OwnedCertificateRequestRow:
    found = current_engine().read(lambda: queries.certificate_request(id))
    return found or refuse(
        404, f"There is no certificate request {id}.", code="unknown_certificate_request"
    )


def _chain(csr: str, given: str | None, now: Any) -> str:
    """The chain to be sent; ends the request with 409 or 422 if there is none that will do."""
    options = current_options()
    try:
        if given is not None:
            return offload(lambda: x509.check_chain(given, csr, now=now))
        if options.authority is None:
            refuse(409, "There is no certificate authority of our own.", code="no_authority")
        authority = options.authority
        return offload(lambda: authority.sign(csr, days=options.certificate_days, now=now))
    except x509.CertificateFault as fault:
        abort(fields_problem({"certificate_chain": [str(fault)]}))
