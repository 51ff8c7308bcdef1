"""What is believed of a proxy, and of whom (A19): this environment in, that one out."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from config.kinds import EVERYWHERE
from ocpp_cs.proxies import THROUGH_PROXY, Networks, TrustedProxies, address_of

OURS = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
SPOOFED = {
    "HTTP_X_FORWARDED_FOR": "192.0.2.66",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "elsewhere",
    "HTTP_X_SSL_CLIENT_VERIFY": "SUCCESS",
    "HTTP_X_SSL_CLIENT_CERT": "x",
    "HTTP_X_SSL_CLIENT_S_DN": "CN=CB-4711",
    "HTTP_X_SSL_CIPHER": "x",
    "HTTP_X_REAL_IP": "192.0.2.66",
    "HTTP_FORWARDED": "for=192.0.2.66;proto=https",
}


def rewritten(networks: Networks, peer: str, **headers: str) -> dict[str, Any]:
    environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", **headers}
    TrustedProxies(lambda *_: [], networks).rewrite(environ)
    return environ


@pytest.mark.parametrize(
    ("networks", "peer"),
    [
        ((), "10.0.0.1"),
        ((), "127.0.0.1"),
        (OURS, "192.0.2.1"),
        (OURS, "11.0.0.1"),
        (OURS, ""),
        (OURS, "unix:"),
    ],
)
def test_strangers_are_not_believed(networks: Networks, peer: str) -> None:
    environ = rewritten(networks, peer, **SPOOFED)
    assert environ == {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", THROUGH_PROXY: False}


@pytest.mark.parametrize("peer", ["10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    environ = rewritten(OURS, peer, **SPOOFED)
    assert environ["REMOTE_ADDR"] == "192.0.2.66"
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTP_X_SSL_CLIENT_S_DN"] == "CN=CB-4711"
    assert environ[THROUGH_PROXY] is True


@pytest.mark.parametrize(
    ("forwarded", "origin"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7"),  # what stands left is the stranger's own word
        ("6.6.6.6, 10.9.9.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.2, 10.0.0.3", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db9::7]:4711", "2001:db9::7"),
        ("2001:db9::7", "2001:db9::7"),
        ("6.6.6.6, unknown", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("10.0.0.5", "10.0.0.5"),  # a charge point within our own network
    ],
)
def test_the_first_stranger_from_the_right_is_who_connects(forwarded: str, origin: str) -> None:
    assert rewritten(OURS, "10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == origin


def test_where_everybody_is_a_proxy_there_is_one_of_them() -> None:
    """Else whoever connects through the router could choose an address."""
    environ = rewritten(EVERYWHERE, "10.0.0.1", HTTP_X_FORWARDED_FOR="6.6.6.6, 192.0.2.7")
    assert environ["REMOTE_ADDR"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, https", "https"),
        ("http", "http"),
        ("https, http", "http"),
        ("http, https", "http"),
        ("wss", "http"),
        ("", "http"),
    ],
)
def test_every_hop_has_to_be_secure(proto: str, scheme: str) -> None:
    """Also where our own hop is TLS: the proxy has to say so of the charge point's."""
    environ = {"REMOTE_ADDR": "10.0.0.1", "wsgi.url_scheme": "https"}
    if proto:
        environ["HTTP_X_FORWARDED_PROTO"] = proto
    TrustedProxies(lambda *_: [], OURS).rewrite(environ)
    assert environ["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize("text", ["", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "x:1", "[::1"])
def test_what_is_no_address(text: str) -> None:
    assert address_of(text) is None or text == "[::1"
