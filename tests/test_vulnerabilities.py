"""What is made of pip-audit's answer; nobody is asked here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import vulnerabilities
from tests.vulnerabilities import Report, read, verdict

FOUND = {
    "name": "example",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"]}],
}
FINE = {"name": "fine", "version": "2.0", "vulns": []}
SKIPPED = {"name": "skipped", "skip_reason": "not found"}


def output(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_vulnerable_package_fails() -> None:
    status, said = verdict(read(output(FINE, FOUND, SKIPPED)))
    assert status == 1
    assert "example 1.0: PYSEC-1, fixed in 1.1" in said


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2026-1"])
def test_a_waiver_needs_a_reason(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(vulnerabilities, "WAIVED", {name: "we never call it"})
    assert verdict(read(output(FOUND)))[0] == 0
    assert all(len(reason) > 10 for reason in vulnerabilities.WAIVED.values())


@pytest.mark.parametrize("answer", ["", "Traceback", "[]", "{}"])
def test_a_service_that_was_not_reached_is_said_loudly(answer: str) -> None:
    status, said = verdict(read(answer))
    assert (status, "NOTHING WAS CHECKED" in said, "!!!!" in said) == (0, True, True)


def test_packages_that_the_service_does_not_know_are_said_loudly() -> None:
    status, said = verdict(read(output(FINE, SKIPPED)))
    assert (status, "1 of 2 packages: THEY WERE NOT CHECKED" in said) == (0, True)


def test_all_well() -> None:
    assert read(output(FINE)) == Report((), 0, 1)
    assert verdict(read(output(FINE))) == (0, "pip-audit: 1 packages, no known vulnerability")
