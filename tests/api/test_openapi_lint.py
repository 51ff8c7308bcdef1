"""The OpenAPI document passes a linter that many know, with its recommended rules.

The linter is a program for Node.js, which comes as a Python package; it is fetched once and kept
in pytest's cache.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.api.conftest import Client
from tests.npm import package_file, run_node

LINTER = "@redocly/cli@2.77.0"
RULES = Path(__file__).with_name("redocly.yaml")
_QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.fixture
def linter(request: pytest.FixtureRequest) -> Path:
    """The linter's program."""
    return package_file(request.config.cache, LINTER, "bin/cli.js")


def lint(linter: Path, document: Path) -> subprocess.CompletedProcess[str]:
    return run_node(
        linter, "lint", f"--config={RULES}", document, folder=document.parent, seconds=60, **_QUIET
    )


@pytest.mark.timeout(240)
def test_the_linter_finds_nothing(sqlite_client: Client, linter: Path, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(sqlite_client.get("/openapi.json").get_data())
    done = lint(linter, document)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout, done.stdout
    assert "Your API description is valid" in done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_the_linter_would_find_something(
    sqlite_client: Client, linter: Path, tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    text = sqlite_client.get("/openapi.json").get_data(as_text=True)
    document.write_text(text.replace('"operationId":"list_id_tags"', '"operationId":"get_health"'))
    done = lint(linter, document)
    assert done.returncode != 0
    assert "operationId" in done.stdout + done.stderr
