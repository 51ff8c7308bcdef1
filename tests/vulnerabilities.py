"""Looks the pinned packages up among known vulnerabilities: `python -m tests.vulnerabilities`.

It fails for what is vulnerable, and only for that. pip-audit asks the service; where that does not
answer, or does not know the packages, this says so loudly and passes: whether a change is good must
not depend on somebody else's server, and the next run that reaches it will tell. Neither pip nor an
index is used: the files name every package with its version. `PIP_AUDIT_VULNERABILITY_SERVICE` and
pip-audit's other variables choose another service.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.servers import PROJECT

FILES = ("requirements.txt", "tests/requirements.txt")
# Vulnerabilities that do not concern us, by id, each with the reason.
WAIVED: dict[str, str] = {}
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Report:
    """What one run found. `vulnerable`: lines for people; `unknown`: packages not looked up."""

    vulnerable: tuple[str, ...]
    unknown: int
    total: int


def read(output: str) -> Report | None:
    """The report in pip-audit's JSON; None where it wrote none, as without a network."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    vulnerable = tuple(
        f"{package['name']} {package['version']}: {found['id']}, "
        f"fixed in {', '.join(found['fix_versions']) or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", ())
        if not {found["id"], *found["aliases"]} & WAIVED.keys()
    )
    unknown = sum("skip_reason" in package for package in packages)
    return Report(vulnerable, unknown, len(packages))


def verdict(report: Report | None) -> tuple[int, str]:
    """Exit status, and what is said."""
    if report is None:
        return 0, _loud(
            "the service that knows vulnerabilities was not reached: NOTHING WAS CHECKED"
        )
    if report.vulnerable:
        return 1, "vulnerable packages:\n  " + "\n  ".join(report.vulnerable)
    if report.unknown:
        told = f"the service did not know {report.unknown} of {report.total} packages"
        return 0, _loud(f"{told}: THEY WERE NOT CHECKED")
    return 0, f"pip-audit: {report.total} packages, no known vulnerability"


def _loud(text: str) -> str:
    return f"\n{'!' * 80}\n!! pip-audit: {text}\n{'!' * 80}\n"


def ask() -> str:
    """What pip-audit writes about the packages of all files; empty if it did not end in time."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--disable-pip", "--require-hashes"]
    for file in FILES:
        command += ["--requirement", file]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=PROJECT, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


if __name__ == "__main__":
    status, said = verdict(read(ask()))
    print(said, file=sys.stderr if status or "!!" in said else sys.stdout)
    sys.exit(status)
