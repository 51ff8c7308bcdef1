"""The thread that has certificates made and renewed: signs what waits, asks for what expires (W9).

Without an authority of the operator's own it signs nothing: requests wait for another one's chain.
Several processes may do this at one time: each step compares what it leaves, so that one of them
does it. What fails is left to an operator.
"""

from __future__ import annotations

import logging
import sys
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from config.settings import Settings
from ocpp_cs import x509
from ocpp_cs.audit import Actor
from ocpp_cs.commands import certificate_renewals, certificate_requests
from ocpp_cs.db import queries
from ocpp_cs.db.away import log_failure
from ocpp_cs.db.commit import Committer, lane_of
from ocpp_cs.db.fields import whole_milliseconds
from ocpp_cs.db.offload import offload

AUTHORITY = Actor("certificate authority")
RENEWAL = Actor("certificate renewal")

# To gunicorn it says that a further worker would fare no better.
_NO_START = 3
_LOOK_AGAIN_S = 60.0  # a notice may be lost (F26)
_RENEW_EVERY = timedelta(hours=1)
_AT_ONCE = 100
# After a charge point has accepted to make a new request, so long until that counts as failed.
_REQUEST_WITHIN = timedelta(days=1)

logger = logging.getLogger(__name__)


def load_authority(settings: Settings) -> x509.Authority | None:
    """The authority that the settings name. Ends the process with a sentence if it is none."""
    if not settings.ca_certificate_file:
        return None
    try:
        certificate = Path(settings.ca_certificate_file).read_bytes()
        key = Path(settings.ca_key_file).read_bytes()
        return x509.load_authority(certificate, key)
    except (OSError, x509.CertificateFault) as fault:
        sys.stderr.write(
            f"Cannot start: CA_CERTIFICATE_FILE and CA_KEY_FILE cannot be used: {fault}\n"
        )
        raise SystemExit(_NO_START) from None


class Signing:
    """The thread. It starts after a fork, with the server."""

    def __init__(
        self, settings: Settings, committer: Committer, authority: x509.Authority | None
    ) -> None:
        self._settings = settings
        self._committer = committer
        self._authority = authority
        self._woken = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._renewed_at: datetime | None = None

    def start(self) -> None:
        """Starts the thread, once, if there is anything for it to do."""
        wanted = self._authority is not None or self._settings.certificate_renewal_days
        if self._thread is None and wanted:
            notices = self._committer.notices
            notices.subscribe("certificate_request", lambda key: self._woken.set())
            notices.listen()
            self._thread = threading.Thread(target=self._serve, name="signing", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends after what is being signed; does not wait for it."""
        self._stopped = True
        self._woken.set()

    def sign(self) -> int:
        """Signs what waits; how many requests that were."""
        if self._authority is None:
            return 0
        waiting = self._committer.engine.read(lambda: queries.requests_to_sign(_AT_ONCE))
        for request in waiting:
            now = _now()
            try:
                chain = offload(
                    partial(
                        self._authority.sign,
                        request.csr,
                        days=self._settings.certificate_days,
                        now=now,
                    )
                )
            except x509.CertificateFault as fault:
                # It waits: an operator may renew the authority's own certificate.
                logger.error("certificate request %d cannot be signed: %s", request.id, fault)
                return 0
            self._committer.run(
                lane_of(request.identity),
                lambda tx: certificate_requests.sign_if_possible(
                    tx,
                    request.id,  # noqa: B023
                    chain,  # noqa: B023
                    actor=AUTHORITY,
                    now=now,  # noqa: B023
                ),
            )
        return len(waiting)

    def renew(self, now: datetime) -> None:
        """Asks charge points whose certificates expire soon for new requests."""
        days = self._settings.certificate_renewal_days
        if not days:
            return
        read = self._committer.engine.read
        for due in read(lambda: queries.due_renewals(now + timedelta(days=days), _AT_ONCE)):
            self._committer.run(
                lane_of(due.identity),
                lambda tx: certificate_renewals.ask_for_renewal(tx, due.id, actor=RENEWAL, now=now),  # noqa: B023
            )
        for due in read(lambda: queries.overdue_renewals(now - _REQUEST_WITHIN, _AT_ONCE)):
            self._committer.run(
                lane_of(due.identity),
                lambda tx: certificate_renewals.fail_renewal(
                    tx,
                    due.id,  # noqa: B023
                    "The charge point accepted, but made no request.",
                    now,
                ),
            )

    def _serve(self) -> None:
        while not self._stopped:
            try:
                while self.sign() == _AT_ONCE and not self._stopped:
                    pass
                now = _now()
                if self._renewed_at is None or now - self._renewed_at >= _RENEW_EVERY:
                    self.renew(now)
                    self._renewed_at = now
            except Exception as error:
                log_failure(logger, "signing", error)
            self._woken.wait(_LOOK_AGAIN_S)
            self._woken.clear()


def _now() -> datetime:
    return whole_milliseconds(datetime.now(UTC))
