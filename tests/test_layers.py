"""The floors of the design as a table, and proof that every import of `ocpp_cs` keeps to it.

It reads the source and runs none of it: an import inside a function or under TYPE_CHECKING counts.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import PROJECT

PACKAGE = PROJECT / "ocpp_cs"


class Room(NamedTuple):
    """What the files of one top-level module or package of `ocpp_cs` may import.

    `ours`: other rooms, and `config`; a room's own files are always allowed. `libraries`: packages
    from outside. `pure`: neither network, nor database, nor clock of the standard library.
    """

    ours: frozenset[str]
    libraries: frozenset[str]
    pure: bool = False


def room(ours: str, libraries: str, *, pure: bool = False) -> Room:
    return Room(frozenset(ours.split()), frozenset(libraries.split()), pure)


# What everything above the ground floor may use.
GROUND = "ocpp16 events metering energy buckets rules credentials spreadsheets hints logs figures"
# From the ground up: a room names only rooms that stand above it in this table.
FLOORS: dict[str, Room] = {
    "ocpp16": room("", "msgspec", pure=True),
    "events": room("ocpp16", "msgspec", pure=True),
    "metering": room("ocpp16", "", pure=True),
    "energy": room("", "", pure=True),
    "buckets": room("", "", pure=True),
    "rules": room("ocpp16 metering", "", pure=True),
    "credentials": room("", "", pure=True),
    "spreadsheets": room("", "", pure=True),
    "x509": room("", "cryptography", pure=True),
    "log_writer": room("", "gevent"),
    "logs": room("log_writer", ""),
    "hints": room("", "", pure=True),
    "throttle": room("", ""),
    "figures": room("", "", pure=True),
    "places": room("", ""),
    "proxies": room("", "", pure=True),
    "simulator": room("ocpp16", "click msgspec websockets"),
    "db": room(f"config {GROUND}", "gevent peewee playhouse psycopg"),
    "monitoring": room("db figures places", "prometheus_client"),
    "audit": room("db", ""),
    "api_keys": room(f"{GROUND} db audit", ""),
    "console_sessions": room("db audit", ""),
    "files": room("db", ""),
    "commands": room(f"config {GROUND} x509 db audit files", "msgspec"),
    "signing": room(f"config {GROUND} x509 db audit commands", ""),
    "inventory": room(f"{GROUND} db audit", ""),
    "removal": room(f"{GROUND} db audit inventory", ""),
    "imports": room(f"{GROUND} db audit inventory", ""),
    "pseudonyms": room(f"{GROUND} db audit commands", ""),
    "handlers": room(f"{GROUND} x509 db commands", "msgspec"),
    "resolutions": room(f"{GROUND} db audit commands handlers", ""),
    "gateway": room(
        f"config {GROUND} throttle proxies db audit commands handlers",
        "cryptography flask flask_sock gevent msgspec websockets werkzeug",
    ),
    "webhooks": room(f"config {GROUND} db audit", "msgspec"),
    "api": room(
        f"config {GROUND} x509 throttle db audit api_keys files commands inventory removal imports "
        "pseudonyms resolutions webhooks",
        "flask flask_smorest flask_swagger_ui marshmallow msgspec webargs werkzeug",
    ),
    "retention": room(f"config {GROUND} db audit files", "click"),
    "console": room(
        f"{GROUND} db audit api_keys console_sessions commands inventory imports resolutions api",
        "flask jinja2 markupsafe werkzeug",
    ),
    "export": room("ocpp16 db api", "click marshmallow pyarrow"),
    "backup": room("db", "click"),
    "doctor": room("config x509 db", "click"),
    "cli": room(
        f"config {GROUND} simulator db audit api_keys commands inventory removal imports "
        "pseudonyms handlers export",
        "click flask msgspec",
    ),
    "app": room(
        f"config {GROUND} throttle proxies simulator db monitoring audit api_keys files commands "
        "signing inventory removal imports pseudonyms resolutions handlers gateway webhooks api "
        "retention console export backup doctor cli",
        "flask",
    ),
    # Only the way in: `ocpp_cs.ocpp16` and its like load without the server (see its docstring).
    "__init__": room("config app", "flask"),
}
IMPURE = {"asyncio", "http", "os", "select", "selectors", "socket", "sqlite3", "ssl", "subprocess"}
IMPURE |= {"threading", "time", "urllib"}
# Rooms that are given `now` and must not look for themselves: only the edges read the clock.
WITHOUT_CLOCK = (
    "ocpp16",
    "events",
    "metering",
    "energy",
    "buckets",
    "rules",
    "credentials",
    "spreadsheets",
    "x509",
    "audit",
    "api_keys",
    "console_sessions",
    "files",
    "inventory",
    "removal",
    "imports",
    "pseudonyms",
    "handlers",
    "resolutions",
)
CLOCK_CALLS = {"now", "utcnow", "today"}


def imported(source: str, package: str) -> list[tuple[int, str]]:
    """Line and full name of everything that `source`, a file of `package`, imports."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(parts if node.level else []) + "." * bool(node.level and node.module)
            module = base + (node.module or "")
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def refused(source: str, home: str, package: str) -> list[str]:
    """What a file of the room `home` imports although the table does not let it."""
    rules = FLOORS[home]
    faults = []
    for line, name in imported(source, package):
        top, _, rest = name.partition(".")
        if top == "ocpp_cs":
            first = rest.split(".")[0]
            other = first if first in FLOORS else "__init__"
            fine = other == home or other in rules.ours
        elif top == "config":
            fine = "config" in rules.ours
        elif top in sys.stdlib_module_names:
            fine = not (rules.pure and top in IMPURE)
        else:
            fine = top in rules.libraries
        if not fine:
            faults.append(f"line {line}: {home} must not import {name}")
    return faults


def clock_readings(source: str) -> list[str]:
    """Calls such as `datetime.now()` and `time.monotonic()`."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            of_datetime = owner.endswith(("datetime", "date")) and node.func.attr in CLOCK_CALLS
            if of_datetime or owner == "time":
                faults.append(f"line {node.lineno}: {ast.unparse(node.func)}() reads the clock")
    return faults


def home_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).parent.parts)


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_room_stands_in_the_table() -> None:
    assert {home_of(path) for path in FILES} - FLOORS.keys() == set()


def test_the_table_points_downwards_only() -> None:
    lower = {"config"}
    for name, rules in FLOORS.items():
        assert rules.ours <= lower, f"{name} imports from its own floor or above"
        lower.add(name)


def test_gateway_and_api_never_meet_in_code() -> None:
    assert "api" not in FLOORS["gateway"].ours
    assert not {"gateway", "handlers"} & (FLOORS["api"].ours | FLOORS["console"].ours)


def test_peewee_has_one_door() -> None:
    doors = {name for name, rules in FLOORS.items() if rules.libraries & {"peewee", "playhouse"}}
    assert doors == {"db"}


@pytest.mark.parametrize("name", FLOORS)
def test_room_imports_only_what_the_table_allows(name: str) -> None:
    faults = [
        f"{path.relative_to(PROJECT)}, {fault}"
        for path in FILES
        if home_of(path) == name
        for fault in refused(path.read_text(encoding="utf-8"), name, package_of(path))
    ]
    assert faults == []


@pytest.mark.parametrize("name", WITHOUT_CLOCK)
def test_room_is_given_the_time(name: str) -> None:
    faults = [
        f"{path.relative_to(PROJECT)}, {fault}"
        for path in FILES
        if home_of(path) == name
        for fault in clock_readings(path.read_text(encoding="utf-8"))
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("home", "package", "source", "fault"),
    [
        ("rules", "ocpp_cs", "import peewee", "line 1: rules must not import peewee"),
        ("rules", "ocpp_cs", "import time", "line 1: rules must not import time"),
        ("api", "ocpp_cs.api", "from ocpp_cs import gateway", "must not import ocpp_cs.gateway"),
        ("api", "ocpp_cs.api", "from ocpp_cs import create_app", "import ocpp_cs.create_app"),
        ("api", "ocpp_cs.api", "from ..gateway import live", "must not import ocpp_cs.gateway.liv"),
        ("ocpp16", "ocpp_cs.ocpp16", "from .. import db", "must not import ocpp_cs.db"),
        ("db", "ocpp_cs.db", "def f():\n  import flask", "line 2: db must not import flask"),
        ("handlers", "ocpp_cs.handlers", "import config.settings", "import config.settings"),
    ],
)
def test_forbidden_import_is_found(home: str, package: str, source: str, fault: str) -> None:
    assert fault in refused(source, home, package)[0]


@pytest.mark.parametrize(
    ("home", "package", "source"),
    [
        ("ocpp16", "ocpp_cs.ocpp16.messages", "from ..types import IdToken"),
        ("ocpp16", "ocpp_cs.ocpp16.messages", "from . import core"),
        ("handlers", "ocpp_cs.handlers", "from ocpp_cs import rules"),
        ("db", "ocpp_cs.db", "import sqlite3, peewee"),
    ],
)
def test_allowed_import_passes(home: str, package: str, source: str) -> None:
    assert refused(source, home, package) == []


@pytest.mark.parametrize(
    "source", ["datetime.now(UTC)", "datetime.datetime.utcnow()", "date.today()", "time.time()"]
)
def test_reading_the_clock_is_found(source: str) -> None:
    assert len(clock_readings(source)) == 1


def composed_sql(source: str) -> list[str]:
    """Statements that are put together in the call that runs them."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = ast.unparse(node.func).rpartition(".")[2]
            runs = name in ("SQL", "raw", "execute", "execute_sql")
            if runs and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
                names = [each.id for each in ast.walk(node.args[0]) if isinstance(each, ast.Name)]
                if names and all(map(str.isupper, names)):  # constants of ours
                    continue
                faults.append(f"line {node.lineno}: {name}({ast.unparse(node.args[0])[:60]})")
    return faults


def test_no_sql_is_put_together_where_it_is_run() -> None:
    """A11: values are parameters. A migration names tables and columns of our own."""
    faults = [
        f"{path.relative_to(PACKAGE)}, {fault}"
        for path in FILES
        if path.parent.name != "migrations"
        for fault in composed_sql(path.read_text(encoding="utf-8"))
    ]
    assert faults == []
    assert len(composed_sql('fn.SQL(f"x = {y}")\ndb.execute_sql("x = " + y)')) == 2


def test_settings_know_nothing_of_the_server() -> None:
    for path in (PROJECT / "config").glob("*.py"):
        names = [name for _, name in imported(path.read_text(encoding="utf-8"), "config")]
        ours = {name.rpartition(".")[0] for name in names if name.startswith("ocpp_cs")}
        # What it needs before the server is loaded, and what loads nothing of it.
        below = {"ocpp_cs.logs", "ocpp_cs.log_writer", "ocpp_cs.places"}
        assert ours <= (below if path.name == "gunicorn.py" else set()), path


def test_the_server_fetches_no_url() -> None:
    """A location that somebody names is for charge points: we never open one ourselves (A16).

    But for webhooks, whose URLs are the admin's and whose addresses are checked (`targets`).
    """
    clients = ("aiohttp", "ftplib", "http.client", "httpx", "requests", "urllib.request", "urllib3")
    for path in FILES:
        # A client, which the server does not load; and who asks for PUBLIC_URL when it is told to.
        if home_of(path) in ("simulator", "doctor"):
            continue
        if path == PACKAGE / "webhooks" / "sending.py":
            continue
        names = [name for _, name in imported(path.read_text(encoding="utf-8"), package_of(path))]
        found = [n for n in names for c in clients if n == c or n.startswith(f"{c}.")]
        assert found == [], path
