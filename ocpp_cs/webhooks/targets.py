"""Where webhooks may go to: public addresses, and the networks that the operator has named.

The address is what counts, not the name: it is looked at when the connection is made, so that a
name which means another address by then leads nowhere else.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from config.kinds import Network

LONGEST_URL = 2000
# Addresses of IPv4 within IPv6 ones (RFC 6052); others Python knows.
_NAT64 = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class BadTarget(Exception):
    """The URL is none that a webhook may have; the text is a sentence for who named it."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What the operator has decided: `networks` of his own that may be reached, whether without
    TLS, and how long an answer may take, in seconds."""

    networks: tuple[Network, ...] = ()
    plain_http: bool = False
    timeout_s: float = 10.0

    def allow(self, address: Address) -> bool:
        """Whether a webhook may be sent to this address."""
        inner = _inner(address)
        own = any(each in network for each in {address, inner} for network in self.networks)
        return own or (inner.is_global and not inner.is_multicast)

    def check(self, url: str) -> SplitResult:
        """The parts of a URL that may be a webhook's; raises BadTarget. No name is looked up."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadTarget("Not a URL.") from None
        if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
            raise BadTarget(f"A URL has up to {LONGEST_URL} visible ASCII characters.")
        if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
            raise BadTarget("A URL must begin with https:// and a host.")
        if parts.scheme == "http" and not self.plain_http:
            raise BadTarget("A URL must begin with https://: WEBHOOK_PLAIN_HTTP is off.")
        if "@" in parts.netloc or parts.fragment:
            raise BadTarget("A URL must have neither a user name nor a fragment.")
        address = _literal(parts.hostname)
        if address is not None and not self.allow(address):
            raise BadTarget(_refused(address))
        return parts

    def resolve(self, host: str, port: int) -> Iterator[str]:
        """The addresses of a host, those that are allowed. Raises OSError, and BadTarget where
        there is none."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
        allowed = [each for each in addresses if self.allow(ip_address(each))]
        if not allowed:
            raise BadTarget(_refused(ip_address(next(iter(addresses)))))
        yield from allowed


PUBLIC = Targets()
"""Public addresses over TLS only."""


def _refused(address: Address) -> str:
    return f"{address} is no public address, and in none of WEBHOOK_NETWORKS."


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _inner(address: Address) -> Address:
    """What an address leads to: IPv4 may come in the clothes of IPv6."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address.teredo is not None:
            return address.teredo[1]
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
