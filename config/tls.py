"""TLS as gunicorn serves it: versions, cipher suites, certificates, and handshakes that fail.

It decides nothing about charge points: a client certificate is asked for and its chain verified,
whose it is the gateway looks at. Requirements are those of the security whitepaper (W5 to W7).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent

from config.settings import Settings, SettingsError

# A00.FR.317: the four that a central system has to offer, and ECDHE with RSA, which the charge
# points that choose RSA should prefer. TLS 1.3 has its own, all of them good.
CIPHER_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)
# Time for a whole TLS handshake, so that nobody holds a place with a slow one (A7).
HANDSHAKE_S = 10.0

# What OpenSSL calls a failure, and what it is recorded as.
_OUTCOMES = {
    "UNSUPPORTED_PROTOCOL": "tls_version_too_old",
    "WRONG_VERSION_NUMBER": "tls_not_spoken",
    "HTTP_REQUEST": "tls_not_spoken",
    "NO_SHARED_CIPHER": "tls_no_shared_cipher",
    "CERTIFICATE_VERIFY_FAILED": "tls_client_certificate_refused",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "tls_client_certificate_refused",
    "TLSV1_ALERT_UNKNOWN_CA": "tls_certificate_refused",
    "SSLV3_ALERT_BAD_CERTIFICATE": "tls_certificate_refused",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "tls_certificate_refused",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "tls_certificate_refused",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "tls_certificate_refused",
}
OUTCOMES = frozenset((*_OUTCOMES.values(), "tls_failed"))
Refused = Callable[[str, str, str], None]
"""Is told of a handshake that failed: remote address, outcome, and OpenSSL's words."""


def outcome_of(error: BaseException) -> str:
    """What a failed handshake is recorded as."""
    reason = getattr(error, "reason", None)
    return _OUTCOMES.get(str(reason), "tls_failed")


def configure(context: ssl.SSLContext, settings: Settings) -> None:
    """Makes a server's context what the whitepaper asks for. Raises SettingsError, which names the
    setting, for files that cannot be used."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(CIPHER_SUITES))
    # Compression tells the length of secrets (A00.FR.320).
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    pairs = (
        ("TLS_CERT_FILE", settings.tls_cert_file, settings.tls_key_file),
        ("TLS_SECOND_CERT_FILE", settings.tls_second_cert_file, settings.tls_second_key_file),
    )
    for name, cert, key in pairs:
        if cert:
            # Without an answer to the question for a password, OpenSSL asks the terminal.
            _load(name, partial(context.load_cert_chain, cert, key, password=lambda: ""))
    if settings.tls_client_ca_file:
        name, path = "TLS_CLIENT_CA_FILE", settings.tls_client_ca_file
        _load(name, partial(context.load_verify_locations, path))
        # Optional: the profile of the charge point, which is not known yet, decides.
        context.verify_mode = ssl.CERT_OPTIONAL


def check(settings: Settings) -> None:
    """Raises SettingsError where TLS is asked for and cannot work."""
    if settings.tls_cert_file:
        configure(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), settings)


def green_context(settings: Settings, refused: Refused) -> ssl.SSLContext:
    """The context of a worker whose standard library gevent has patched.

    A handshake that fails or takes too long is told to `refused`, and ends its green thread without
    the traceback that gevent would write for each port scanner.
    """

    class Context(ssl.SSLContext):
        def wrap_socket(self, sock: Any, *args: Any, **options: Any) -> ssl.SSLSocket:
            try:
                address = str(sock.getpeername()[0])
            except OSError:  # gone already
                address = ""
            options["do_handshake_on_connect"] = False
            client = super().wrap_socket(sock, *args, **options)
            try:
                with gevent.Timeout(HANDSHAKE_S):
                    client.do_handshake()
            except (OSError, ValueError, gevent.Timeout) as error:
                client.close()
                refused(address, outcome_of(error), _words(error))
                raise gevent.GreenletExit from None
            return client

    context = Context(ssl.PROTOCOL_TLS_SERVER)
    configure(context, settings)
    return context


def _load(name: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{name} and what belongs to it cannot be used: {_words(error)}."
        ) from None


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, gevent.Timeout):
        return "not finished in time"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason or type(error).__name__).lower().replace("_", " ")
