"""What the repository promises about itself: its files, its pins, and what it never mentions.

What the code does is tested elsewhere.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.servers import PROJECT

# Spelt so that this file does not name them either.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("jsdelivr", "net"),
        ("unpkg", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("golang", "org"),
        ("docker", "io"),
    )
]


def files() -> list[Path]:
    """Every file that is or may become part of the repository: what git does not ignore."""
    git = shutil.which("git")
    assert git, "git is needed to know the project's files"
    command = [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    paths = [PROJECT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


FILES = files()
MODULES = [path for path in FILES if path.suffix == ".py"]
PINNED = re.compile(r"^[a-z0-9-]+==[^ ]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", re.M)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{name(path)} has no docstring"
    assert docstring.splitlines()[0].strip(), f"{name(path)}: the first line is empty"


def test_no_package_registry_is_named() -> None:
    found = [
        f"{name(path)}: {host}"
        for path in FILES
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    ]
    assert found == []


def test_procfile_is_as_promised() -> None:
    assert (PROJECT / "Procfile").read_text(encoding="utf-8") == (
        "web: gunicorn -c config/gunicorn.py wsgi:app\nrelease: flask --app wsgi db upgrade\n"
    )


@pytest.mark.parametrize("folder", [".", "tests"])
def test_requirements_are_pinned_with_hashes_and_nothing_else(folder: str) -> None:
    text = (PROJECT / folder / "requirements.txt").read_text(encoding="utf-8")
    rest = [line for line in PINNED.sub("", text).splitlines() if not re.match(r"\s*(#|$)", line)]
    assert rest == []
    assert len(PINNED.findall(text)) > 10


@pytest.mark.parametrize("folder", [".", "tests"])
def test_direct_requirements_are_compiled(folder: str) -> None:
    directory = PROJECT / folder
    wanted = re.findall(r"^([a-z-]+)(?:\[\w+\])?(==\S+)$", read(directory, "requirements.in"), re.M)
    assert wanted
    compiled = read(directory, "requirements.txt")
    missing = [f"{n}{pin}" for n, pin in wanted if f"\n{n}{pin} \\\n" not in compiled]
    assert missing == [], "run `make requirements`"


def test_both_requirements_agree() -> None:
    pins = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.M)
    server = dict(pins.findall(read(PROJECT, "requirements.txt")))
    tests = dict(pins.findall(read(PROJECT / "tests", "requirements.txt")))
    assert {n: tests[n] for n in server.keys() & tests.keys()} == {
        n: server[n] for n in server.keys() & tests.keys()
    }


def test_one_python_version() -> None:
    version = read(PROJECT, ".python-version").strip()
    tools = tomllib.loads(read(PROJECT, "pyproject.toml"))["tool"]
    assert tools["mypy"]["python_version"] == version
    assert tools["ruff"]["target-version"] == "py" + version.replace(".", "")
    assert f"with Python {version}" in read(PROJECT, "requirements.txt")


def test_pyproject_holds_tools_only() -> None:
    assert list(tomllib.loads(read(PROJECT, "pyproject.toml"))) == ["tool"]


def test_make_help_lists_what_developers_type() -> None:
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True)
    targets = [line.split()[1] for line in done.stdout.splitlines()]
    developers = ["run", "test", "lint", "format", "bench", "faults"]
    developers += ["screenshots", "requirements", "clean"]
    assert targets == ["help", *developers]


def test_ci_runs_lint_and_tests() -> None:
    script = PROJECT / ".ci" / "run"
    assert script.stat().st_mode & 0o111, "not executable"
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert text.index("make lint") < text.index("make test")


def read(directory: Path, file: str) -> str:
    return (directory / file).read_text(encoding="utf-8")
