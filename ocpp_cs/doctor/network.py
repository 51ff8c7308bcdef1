"""Checks of the way in: pings, the public URL, certificates, and which proxies are believed."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from config import tls
from config.kinds import EVERYWHERE
from config.settings import SettingsError
from ocpp_cs import x509
from ocpp_cs.doctor.deployment import Deployment, Finding

# The shortest time after which a router that we know cuts a silent connection: that of Heroku.
_ROUTER_IDLE_S = 55
_EXPIRES_SOON_DAYS = 30
_PATIENCE_S = 5.0
_LONGEST_ANSWER = 1000  # bytes


def pings(deployment: Deployment) -> Iterator[Finding]:
    interval = deployment.settings.ping_interval
    if 2 * interval > _ROUTER_IDLE_S:
        yield Finding(
            "warning",
            f"PING_INTERVAL={interval:g}: many routers cut a connection that is silent for 55 or "
            "60 s, and a ping may be lost.",
            "Set it to 25 or less.",
        )


def public_url(deployment: Deployment) -> Iterator[Finding]:
    url = deployment.settings.public_url
    if not url:
        yield Finding(
            "warning",
            "PUBLIC_URL is not set: URLs for files begin as the operator's own request did.",
            "Set it to the URL that charge points reach this server by, such as https://....",
        )
        return
    if not url.startswith("https://"):
        yield Finding(
            "warning",
            "PUBLIC_URL is not https://: firmware, logs and their links travel in the open.",
            "Let something speak TLS: docs/security.md.",
        )
    try:
        # Set by the operator, like the database's: http or https, nobody else's word.
        with urllib.request.urlopen(f"{url}/healthz", timeout=_PATIENCE_S) as answer:  # nosec B310
            told = json.loads(answer.read(_LONGEST_ANSWER))
        fault = "" if told == {"status": "ok"} else "somebody else answers there"
    except (OSError, ValueError) as error:
        fault = str(error).strip()
    if fault:
        yield Finding(
            "error",
            f"{url}/healthz is not this server: {fault}.",
            "Look at the name, the certificate, the router, and whether the server runs.",
        )


def tls_files(deployment: Deployment) -> Iterator[Finding]:
    settings = deployment.settings
    try:
        tls.check(settings)
    except SettingsError as error:
        yield Finding("error", str(error), "Give it the files that belong together, in PEM.")
        return
    for name in ("tls_cert_file", "tls_second_cert_file", "tls_client_ca_file"):
        if path := getattr(settings, name):
            yield from _expiry(name.upper(), path, deployment.now)
    host = urlsplit(settings.public_url).hostname
    if settings.tls_cert_file and host and settings.public_url.startswith("https://"):
        names = x509.host_names(Path(settings.tls_cert_file).read_text(encoding="ascii"))
        if not any(_fits(name, host) for name in names):
            yield Finding(
                "warning",
                f"The certificate of TLS_CERT_FILE is for {', '.join(names) or 'no host'}, not for "
                f"{host} of PUBLIC_URL.",
                "Get one for that name, unless a proxy before this server has it.",
            )


def authority(deployment: Deployment) -> Iterator[Finding]:
    """Its files were read when the application was made; what remains is their time."""
    if path := deployment.settings.ca_certificate_file:
        yield from _expiry("CA_CERTIFICATE_FILE", path, deployment.now)


def proxies(deployment: Deployment) -> Iterator[Finding]:
    settings, platform = deployment.settings, deployment.platform
    if platform is not None and not settings.trusted_proxies:
        yield Finding(
            "warning",
            f"TRUSTED_PROXIES is not set: on {platform.name} everybody seems to come from its "
            "router and without TLS, so security profile 2 cannot be met.",
            "Set TRUSTED_PROXIES=*: there only the router can reach the port.",
        )
    open_to_all = settings.trusted_proxies == EVERYWHERE and platform is None
    if open_to_all and (settings.tls_cert_file or not deployment.on_loopback):
        yield Finding(
            "error" if settings.tls_cert_file else "warning",
            "TRUSTED_PROXIES=*: whoever reaches this port may claim any address, TLS and client "
            "certificate.",
            "Name the addresses of your proxies, or listen on HOST=127.0.0.1 behind one.",
        )


def _expiry(name: str, path: str, now: datetime) -> Iterator[Finding]:
    described = x509.describe(Path(path).read_text(encoding="ascii"))
    if described.not_before > now:
        told = f"The certificate of {name} is valid only from {described.not_before:%Y-%m-%d} on."
        yield Finding("error", told, "Look at this machine's clock, or get another one.")
    elif described.not_after <= now:
        told = f"The certificate of {name} expired on {described.not_after:%Y-%m-%d}."
        yield Finding("error", told, "Renew it, and restart the server.")
    elif (days := (described.not_after - now).days) < _EXPIRES_SOON_DAYS:
        told = f"The certificate of {name} expires in {days} days."
        yield Finding("warning", told, "Renew it, and restart the server.")


def _fits(name: str, host: str) -> bool:
    """A wildcard stands for one label (RFC 6125)."""
    if name.startswith("*."):
        return host.lower().partition(".")[2] == name[2:].lower()
    return name.lower() == host.lower()
