"""`flask --app wsgi doctor`: the checks on the command line.

No check stands here: it gathers what they look at, and words what came of them.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
from datetime import UTC, datetime

import click

from config import platforms
from config.settings import Settings
from ocpp_cs.db.engine import Engine
from ocpp_cs.doctor import Deployment, Finding, examine


def doctor_command(settings: Settings, engine: Engine) -> click.Command:
    """The command, for the deployment of an application."""

    @click.command("doctor", short_help="Check this deployment, and say what to fix.")
    @click.option("--json", "as_json", is_flag=True, help="For machines.")
    def doctor(as_json: bool) -> None:
        """Check this deployment, and say what to fix.

        The exit status is 1 if there is an error; warnings may be meant so.
        """
        found = examine(_deployment(settings, engine))
        click.echo(_as_json(found) if as_json else _as_text(found))
        failed = any(each.severity == "error" for each in _all(found))
        raise SystemExit(1 if failed else 0)

    return doctor


def _deployment(settings: Settings, engine: Engine) -> Deployment:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    folder = os.path.dirname(engine.path)
    return Deployment(
        settings,
        os.environ,
        engine,
        lambda: datetime.now(UTC),
        None if hard == resource.RLIM_INFINITY else hard,
        platforms.mounts(),
        shutil.disk_usage(folder).free if engine.dialect == "sqlite" else None,
    )


def _all(found: dict[str, list[Finding]]) -> list[Finding]:
    return [finding for findings in found.values() for finding in findings]


def _as_json(found: dict[str, list[Finding]]) -> str:
    findings = [
        {"check": name, **finding._asdict()}
        for name, findings in found.items()
        for finding in findings
    ]
    return json.dumps({"checks": list(found), "findings": findings}, indent=2)


def _as_text(found: dict[str, list[Finding]]) -> str:
    lines = []
    for name, findings in found.items():
        if not findings:
            lines.append(f"ok       {name}")
        for finding in findings:
            lines.append(f"{finding.severity:8} {name}: {finding.text}")
            lines.append(f"         -> {finding.fix}")
    counts = [each.severity for each in _all(found)]
    lines.append(f"{counts.count('error')} errors, {counts.count('warning')} warnings.")
    return "\n".join(lines)
