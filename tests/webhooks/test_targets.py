"""Which URLs and addresses a webhook may go to."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from ocpp_cs.webhooks.targets import BadTarget, Targets

PUBLIC = Targets()
OWN = Targets((ip_network("10.1.0.0/16"), ip_network("fd00::/8")), plain_http=True)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert PUBLIC.allow(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",  # where clouds keep credentials
        "172.16.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "fc00::1",
        "fe80::1",
        "ff02::1",
    ],
)
def test_others_are_not(address: str) -> None:
    assert not PUBLIC.allow(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(BadTarget, match="WEBHOOK_NETWORKS"):
        PUBLIC.check(f"https://{host}/hook")


def test_own_networks_are_allowed_where_they_are_named() -> None:
    allowed = [each for each in ("10.1.2.3", "fd12::1", "10.2.0.1", "::1") if _allows(OWN, each)]
    assert allowed == ["10.1.2.3", "fd12::1"]
    assert _allows(OWN, "::ffff:10.1.2.3")


def _allows(targets: Targets, address: str) -> bool:
    return targets.allow(ip_address(address))


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://example.com/", "WEBHOOK_PLAIN_HTTP"),
        ("ftp://example.com/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("example.com/hook", "https://"),
        ("https:///hook", "a host"),
        ("https://user:password@example.com/", "user name"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:99999/", "Not a URL"),
        ("https://example.com:0/", "a host"),
        ("https://[::1/", "Not a URL"),
        ("https://exämple.com/", "ASCII"),
        ("https://example.com/a b", "ASCII"),
        ("https://example.com/\r\nX: y", "ASCII"),
        (f"https://example.com/{'x' * 2000}", "2000"),
        ("https://127.0.0.1:8443/", "127.0.0.1"),
    ],
)
def test_urls_that_are_refused(url: str, fault: str) -> None:
    with pytest.raises(BadTarget, match=fault):
        PUBLIC.check(url)


def test_urls_that_are_not() -> None:
    assert PUBLIC.check("https://example.com:8443/hook?x=1").port == 8443
    assert OWN.check("http://10.1.2.3/hook").hostname == "10.1.2.3"


def test_a_name_is_judged_by_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*addresses: str) -> Any:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    resolved("10.0.0.1", "93.184.216.34")
    assert list(PUBLIC.resolve("example.com", 443)) == ["93.184.216.34"]
    resolved("127.0.0.1", "10.0.0.1")
    with pytest.raises(BadTarget, match=r"127\.0\.0\.1 is no public address"):
        list(PUBLIC.resolve("example.com", 443))
