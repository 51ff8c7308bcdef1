"""A WebSocket handshake as it was asked for, read from a WSGI environment; and its 101.

It lets nobody in: `handshake` does. Nothing in here trusts a byte of what was sent.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from ocpp_cs.gateway import refusal
from ocpp_cs.gateway.refusal import SUBPROTOCOL, Refusal
from ocpp_cs.gateway.transport import Transport, read_transport
from ocpp_cs.handlers.connections import Attempt
from ocpp_cs.ocpp16.identity import LONGEST_IDENTITY, check_identity

_ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_LONGEST_RECORD = 200


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A handshake as it was asked for. `identity` is None when its URL can't be decoded."""

    identity: str | None
    shown_identity: str  # as it is recorded and logged, whatever it is made of
    remote_address: str
    transport: Transport
    http: str  # method and version
    user_agent: str
    subprotocols: tuple[str, ...]
    version: str
    key: str
    authorization: str | None = field(repr=False)

    def attempt(self, outcome: str, status: int) -> Attempt:
        return Attempt(
            identity=self.shown_identity,
            remote_address=self.remote_address,
            outcome=outcome,
            http_status=status,
            subprotocols=_printable(", ".join(self.subprotocols)),
            user_agent=self.user_agent,
        )


def asks_for_websocket(environ: Mapping[str, Any]) -> bool:
    """Whether the request is a handshake, as the routes of sockets are told from others."""
    return (
        environ.get("REQUEST_METHOD") == "GET"
        and "upgrade" in environ.get("HTTP_CONNECTION", "").lower()
        and environ.get("HTTP_UPGRADE", "").lower() == "websocket"
    )


def read_upgrade(environ: Mapping[str, Any], routed: str) -> Upgrade:
    """The handshake in a WSGI environment; `routed` is the path behind the route, decoded."""
    offered = environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "")
    identity = _identity(environ, routed)
    return Upgrade(
        identity=identity,
        shown_identity=_printable(
            routed if identity is None else identity, longest=LONGEST_IDENTITY
        ),
        remote_address=environ.get("REMOTE_ADDR", ""),
        transport=read_transport(environ),
        http=f"{environ.get('REQUEST_METHOD')} {environ.get('SERVER_PROTOCOL')}",
        user_agent=_printable(environ.get("HTTP_USER_AGENT", "")),
        subprotocols=tuple(name.strip() for name in offered.split(",") if name.strip()),
        version=environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip(),
        key=environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip(),
        authorization=environ.get("HTTP_AUTHORIZATION"),
    )


def check_websocket(upgrade: Upgrade) -> str:
    """The value of Sec-WebSocket-Accept (RFC 6455, section 4.2; F17)."""
    if upgrade.http != "GET HTTP/1.1":
        raise refusal.no_upgrade()
    if upgrade.version != "13":
        raise refusal.bad_version()
    try:
        nonce = base64.b64decode(upgrade.key, validate=True)
    except ValueError:
        nonce = b""
    if len(nonce) != 16:
        raise Refusal(400, "bad_websocket_key", "Sec-WebSocket-Key must be 16 bytes in Base64")
    digest = hashlib.sha1((upgrade.key + _ACCEPT_GUID).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def check_identity_of(upgrade: Upgrade) -> str:
    identity = upgrade.identity
    fault = "it is not UTF-8" if identity is None else check_identity(identity)
    if identity is None or fault is not None:
        raise Refusal(
            400, "bad_identity", f"the URL must end with the charge point's identity; {fault}"
        )
    return identity


def _identity(environ: Mapping[str, Any], routed: str) -> str | None:
    """What stands behind the route, percent-decoded exactly once (R1); None if it is not UTF-8.

    Slashes are kept, encoded or not: they are the identity's fault, not another route.
    """
    try:
        path: bytes = environ.get("PATH_INFO", "").encode("latin-1")
        path.decode()
        raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
        # Some servers replace what is not UTF-8 before anybody can see it.
        unquote_to_bytes(raw.partition("?")[0].encode("latin-1")).decode()
    except ValueError:
        return None
    return routed


def _printable(text: str, longest: int = _LONGEST_RECORD) -> str:
    """The beginning of a text that a stranger sent, fit for a row and a log line (A15)."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text[:longest])


def greeting(accept: str, *, with_subprotocol: bool) -> bytes:
    """The 101. No extension is ever agreed to: compression costs memory and invites bombs (R13)."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if with_subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {SUBPROTOCOL}")
    return "\r\n".join((*lines, "", "")).encode("ascii")
