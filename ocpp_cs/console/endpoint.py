"""What is typed into a charge point, so that it connects to this server.

It is only put together here: whether it may connect is decided at its handshake.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from ocpp_cs.api.options import public_url
from ocpp_cs.console.options import current_options

_LEAST_WITH_TLS = 2  # security profiles from here on need it


class Endpoint(NamedTuple):
    """`url` is for charge points that add their identity themselves, `whole_url` for the others.
    `only_here`: nobody but this machine can use it. `without_tls`: it has to be wss, but the server
    is not seen to speak TLS."""

    url: str
    whole_url: str
    only_here: bool
    without_tls: bool


def endpoint_of(identity: str, security_profile: int) -> Endpoint:
    """As `PUBLIC_URL` says, or as the viewer's own request came, through trusted proxies."""
    base = public_url()
    secure = base.startswith("https:")
    needs_tls = security_profile >= _LEAST_WITH_TLS
    scheme = "wss" if secure or needs_tls else "ws"
    url = f"{scheme}{base[base.index(':') :]}{current_options().endpoint}"
    return Endpoint(
        url,
        f"{url}/{quote(identity, safe='')}",
        _is_loopback(urlsplit(base).hostname or ""),
        needs_tls and not secure,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
