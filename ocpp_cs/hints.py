"""What to do about each outcome of a handshake, in a line for whoever runs the server.

What the charge point itself is told is in `gateway.refusal`; here is what would tell a stranger
too much.
"""

from __future__ import annotations

from collections.abc import Mapping

HINTS: Mapping[str, str] = {
    "accepted": "Nothing: it was let in",
    "bad_identity": "The URL must end with the identity: 1 to 48 characters, no slash, colon or "
    "control character, percent-encoded as UTF-8",
    "bad_websocket_key": "The charge point's WebSocket software, or a proxy, garbles the handshake",
    "no_subprotocol": "Set the charge point to OCPP 1.6J; or take back `OCPP_REQUIRE_SUBPROTOCOL`",
    "unsupported_subprotocol": "The charge point offers other versions only: set it to OCPP 1.6J",
    "no_password": "Enter the password in the charge point (key `AuthorizationKey`)",
    "unreadable_authorization_header": "The charge point sends something else than HTTP Basic",
    "wrong_password": "Enter the right password, or set a new one with `charge-point set-password`",
    "wrong_user_name": "The user name must be the identity, in upper and lower case as in the URL",
    "tls_required": "Let it use `wss://`; if it does, name your proxy in `TRUSTED_PROXIES`. Only "
    "an admin lowers its profile",
    "client_certificate_required": "Its security profile is 3: install a certificate in it; behind "
    "a proxy, let that ask for one and pass it on",
    "client_certificate_unverified": "The proxy did not find its certificate good: `ssl_verify` "
    "says why in the proxy's log",
    "client_certificate_expired": "Install a new certificate in the charge point",
    "client_certificate_of_others": "The O of its certificate is not `OPERATOR_NAME`: install one "
    "of your own",
    "client_certificate_of_another": "The CN of its certificate is neither its serial number nor "
    "its identity: each charge point has a certificate of its own",
    "tls_not_spoken": "Use `wss://` instead of `ws://`",
    "tls_version_too_old": "It speaks older versions than TLS 1.2 only: update it, or let a proxy "
    "of its own speak with it",
    "tls_no_shared_cipher": "Give the server a second certificate, RSA beside ECDSA: "
    "`TLS_SECOND_CERT_FILE`; else update the charge point",
    "tls_client_certificate_refused": "The charge point's certificate has expired, or none of "
    "those in `TLS_CLIENT_CA_FILE` has issued it; the log says which",
    "tls_certificate_refused": "The charge point does not trust the server's certificate: install "
    "its root certificate, and connect to the name that stands in it",
    "tls_failed": "The connection ended within the TLS handshake; the log has OpenSSL's words",
    "unknown_charge_point": "Register it with `charge-point add`. Compare upper and lower case",
    "wrong_path": "Enter an address in the charge point whose path is `/ocpp/`, or "
    "`/ws/CentralSystemService/`, and the identity",
    "no_upgrade": "A browser, or a proxy that swallows the headers `Upgrade` and `Connection`",
    "unsupported_websocket_version": "The charge point speaks a WebSocket version other than 13",
    "too_many_failed_logins": "Correct the password, wait a minute",
    "no_socket": "Start the server with `gunicorn -c config/gunicorn.py`",
    "shutting_down": "Nothing: the charge point comes back to the restarted server",
    "store_unavailable": "See to the database; charge points come back by themselves",
    "too_many_charge_points": "Raise `MAX_CHARGE_POINTS` and the limit of open files, or add "
    "processes",
    "too_many_logins": "Nothing: a whole fleet logs in at once and is let in bit by bit",
}


def hint_of(outcome: str) -> str | None:
    """The line, as plain text."""
    hint = HINTS.get(outcome)
    return None if hint is None else hint.replace("`", "")
