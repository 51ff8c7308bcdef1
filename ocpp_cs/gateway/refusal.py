"""What a handshake is answered with instead of a 101: status, reason, hint.

It decides nothing: `handshake` does.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

SUBPROTOCOL = "ocpp1.6"
_UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}


class Refusal(Exception):
    """A handshake that is answered with `status` instead of 101.

    `outcome` is recorded for the operator; `reason` is what the peer is told, which may be less.
    """

    def __init__(
        self,
        status: int,
        outcome: str,
        hint: str,
        *,
        reason: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(outcome)
        self.status = status
        self.outcome = outcome
        self.hint = hint
        self.reason = reason or outcome
        self.headers = dict(headers or {})


def no_upgrade() -> Refusal:
    """A plain HTTP request where a WebSocket is spoken; also what a proxy makes of a good one."""
    hint = (
        "this is the WebSocket endpoint of charge points: connect with ws:// or wss:// and the "
        f"subprotocol {SUBPROTOCOL}; a proxy in between must pass on the headers Upgrade and "
        "Connection"
    )
    return Refusal(426, "no_upgrade", hint, headers=_UPGRADE)


def bad_version() -> Refusal:
    hint = "Sec-WebSocket-Version must be 13"
    headers = {**_UPGRADE, "Sec-WebSocket-Version": "13"}
    return Refusal(426, "unsupported_websocket_version", hint, headers=headers)


def bad_subprotocol(outcome: str) -> Refusal:
    hint = f"offer the subprotocol {SUBPROTOCOL} in Sec-WebSocket-Protocol"
    return Refusal(400, outcome, hint)


def too_many_failures(wait_s: int) -> Refusal:
    hint = "too many failed logins from this address: correct the password, then wait"
    return Refusal(429, "too_many_failed_logins", hint, headers={"Retry-After": str(wait_s)})


def unknown() -> Refusal:
    return Refusal(404, "unknown_charge_point", "no charge point of this identity is registered")


def wrong_path(right_path: str) -> Refusal:
    """Where we know no path, and a charge point asks for a WebSocket."""
    hint = f"charge points are not served at this path: connect to {right_path} on this server"
    return Refusal(404, "wrong_path", hint)


def tls_required() -> Refusal:
    hint = "this charge point may connect over TLS only: use wss://"
    return Refusal(403, "tls_required", hint)


def shutting_down() -> Refusal:
    return Refusal(503, "shutting_down", "the server is restarting", headers=_retry_after(5))


def store_down() -> Refusal:
    hint = "the server cannot store messages at the moment"
    return Refusal(503, "store_unavailable", hint, headers=_retry_after(10))


def overloaded() -> Refusal:
    hint = "too many charge points log in at the same time"
    return Refusal(503, "too_many_logins", hint, headers=_retry_after(10))


def too_many() -> Refusal:
    hint = "the server holds as many charge points as it can"
    return Refusal(503, "too_many_charge_points", hint, headers=_retry_after(30))


def unauthorized(outcome: str) -> Refusal:
    """Says the same whatever was wrong, also about a charge point that does not exist (A4)."""
    return Refusal(
        401,
        outcome,
        "HTTP Basic authentication: the user is the charge point's identity, the password its key",
        reason="unauthorized",
        headers={"WWW-Authenticate": 'Basic realm="ocpp", charset="UTF-8"'},
    )


def _retry_after(seconds: int) -> dict[str, str]:
    """Not the same for all: they came together and should not come back together (F28)."""
    return {"Retry-After": str(random.randint(seconds, 2 * seconds))}
