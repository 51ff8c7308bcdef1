"""Whether a client certificate is that of the charge point which shows it (security profile 3).

Pure decisions (W7): the chain of the certificate was verified before it came here.
"""

from __future__ import annotations

from datetime import datetime

from ocpp_cs.gateway.refusal import Refusal
from ocpp_cs.gateway.transport import Transport


def certificate_fault(
    transport: Transport, names: frozenset[str], operator: str, now: datetime
) -> Refusal | None:
    """What is wrong with the certificate, or that there is none; None for a good one.

    `names`: what its common name may be (A00.FR.405). `operator`: the organization that it must
    name (A00.FR.404); an empty one is that of nobody.
    """
    certificate = transport.certificate
    if transport.unverified:
        hint = "the client certificate could not be verified"
        return Refusal(403, "client_certificate_unverified", hint)
    if certificate is None:
        hint = "this charge point has to show a client certificate"
        return Refusal(403, "client_certificate_required", hint)
    # A resumed TLS session has not looked at the clock again.
    if certificate.expires_at is not None and certificate.expires_at <= now:
        hint = "the client certificate has expired"
        return Refusal(403, "client_certificate_expired", hint)
    if not operator or operator not in certificate.organizations:
        hint = "the client certificate is not one of this operator's (O)"
        return Refusal(403, "client_certificate_of_others", hint)
    if not names.intersection(certificate.common_names):
        hint = "the client certificate belongs to another charge point (CN)"
        return Refusal(403, "client_certificate_of_another", hint)
    return None
