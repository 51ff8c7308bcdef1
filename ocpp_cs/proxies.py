"""What a proxy says of who connects through it: taken over from trusted ones, else thrown away.

WSGI middleware, so that nobody behind it has to know of proxies: after it `REMOTE_ADDR` and
`wsgi.url_scheme` are those of who connects, and headers about a client certificate are there only
if a trusted proxy has set them (A19). It is no proxy and reads no certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]
Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

THROUGH_PROXY = "ocpp_cs.through_proxy"
"""True in the environment of a request that came from a trusted proxy."""

CLIENT_VERIFY = "HTTP_X_SSL_CLIENT_VERIFY"
CLIENT_CERTIFICATE = "HTTP_X_SSL_CLIENT_CERT"
CLIENT_SUBJECT = "HTTP_X_SSL_CLIENT_S_DN"
# Also those that we do not read: nobody behind us may come to believe them.
_SPOKEN_FOR_OTHERS = ("HTTP_X_FORWARDED_", "HTTP_X_SSL_", "HTTP_X_REAL_IP", "HTTP_FORWARDED")


class TrustedProxies:
    """An application behind proxies of these networks; with none, every peer speaks for itself."""

    def __init__(self, application: Application, networks: Networks) -> None:
        self._application = application
        self._networks = networks
        self._everywhere = {network.prefixlen for network in networks} == {0}

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self.rewrite(environ)
        return self._application(environ, start_response)

    def rewrite(self, environ: Environ) -> None:
        """Makes the environment say what is known of who connects."""
        peer = address_of(environ.get("REMOTE_ADDR", ""))
        trusted = peer is not None and within(peer, self._networks)
        environ[THROUGH_PROXY] = trusted
        if peer is not None and trusted:
            environ["REMOTE_ADDR"] = self._origin(peer, environ.get("HTTP_X_FORWARDED_FOR", ""))
            environ["wsgi.url_scheme"] = _scheme(environ.get("HTTP_X_FORWARDED_PROTO", ""))
            return
        for name in [name for name in environ if name.startswith(_SPOKEN_FOR_OTHERS)]:
            del environ[name]

    def _origin(self, peer: Address, forwarded_for: str) -> str:
        """The address that the first trusted proxy saw. Each proxy adds what it saw at the right,
        so that what stands left of the first stranger is that stranger's own word."""
        origin = peer
        for text in reversed(forwarded_for.split(",")):
            address = address_of(text.strip())
            if address is None:
                break
            origin = address
            # Where every peer is a proxy there is one of them, the platform's router.
            if self._everywhere or not within(address, self._networks):
                break
        return str(origin)


def within(address: Address, networks: Networks) -> bool:
    """Whether the address belongs to one of the networks."""
    return any(address in network for network in networks)


def address_of(text: str) -> Address | None:
    """An address as sockets and proxies write it, with or without a port; None for other text.

    An IPv4 address on an IPv6 socket is that IPv4 address.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _scheme(forwarded: str) -> str:
    """https only if every hop that is spoken of was; a proxy that says nothing is not believed."""
    hops = {hop.strip().lower() for hop in forwarded.split(",")}
    return "https" if hops == {"https"} else "http"
