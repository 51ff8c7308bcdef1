"""What is wrong with a deployment, and what to do about it: `flask --app wsgi doctor`.

It looks, and changes nothing. A check is a function of a `Deployment` that yields findings; it is
entered in CHECKS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ocpp_cs.doctor import database, machine, network, policy
from ocpp_cs.doctor.deployment import Deployment, Finding

__all__ = ["CHECKS", "Deployment", "Finding", "examine"]

Check = Callable[[Deployment], Iterator[Finding]]

CHECKS: Mapping[str, Check] = {
    "settings": policy.settings,
    "database": database.database,
    "connections": database.connections,
    "clock": database.clock,
    "disk": machine.disk,
    "workers": machine.workers,
    "descriptors": machine.descriptors,
    "server": machine.server,
    "shutdown": machine.shutdown,
    "pings": network.pings,
    "public URL": network.public_url,
    "TLS": network.tls_files,
    "authority": network.authority,
    "proxies": network.proxies,
    "policy": policy.open_doors,
    "API keys": policy.api_keys,
}


def examine(deployment: Deployment) -> dict[str, list[Finding]]:
    """The findings of each check; none: it is fine. No check ends the others."""
    found = {}
    for name, check in CHECKS.items():
        try:
            found[name] = list(check(deployment))
        except Exception as error:
            told = f"This could not be checked: {type(error).__name__}: {str(error).strip()}"
            found[name] = [Finding("error", told, "Mend what the others say, and look again.")]
    return found
